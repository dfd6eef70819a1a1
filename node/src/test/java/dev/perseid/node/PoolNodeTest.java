package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.core.Blob;
import dev.perseid.core.EntryCodec;
import dev.perseid.core.JobId;
import dev.perseid.settle.Key;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.Proto;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A real pool on loopback, with a consumer and a provider written by hand.
class PoolNodeTest {
  static final byte[] MODULE = {0, 'a', 's', 'm', 1, 0, 0, 0};

  @TempDir Path dir;
  private final Key poolKey = Key.generate();

  private PoolConfig config() {
    return PoolConfig.usual(dir, poolKey).withWelcome(10_000_000).withTimes(200, 2_000);
  }

  @Test
  void RunsAJobAndProvesEveryRecord() throws Exception {
    try (PoolNode node = PoolNode.start(config());
        PoolCaller consumer = new PoolCaller(node.port(), Key.generate(), "consumer");
        PuppetProvider provider = new PuppetProvider(node.port(), Key.generate())) {
      provider.joined().working();
      Blob module = consumer.put(MODULE);
      JobId job = consumer.accepted(Given.fan(consumer.key.address(), 1, module, 20));
      Proto.JobProgress end = consumer.finished(job);
      assertThat(end.getState()).as("%s", end).isEqualTo("done");
      assertThat(end.getDone()).isEqualTo(21);
      assertThat(end.getAttempts()).isEqualTo(21);
      assertThat(end.getCharged()).isPositive();

      Proto.AccountReply account =
          consumer.jobs().account(Proto.AccountRequest.getDefaultInstance());
      assertThat(account.getBalance()).isEqualTo(10_000_000 - end.getCharged());
      assertThat(account.getReserved()).isZero();

      List<String> receipts = receipts(consumer, job);
      assertThat(receipts).hasSize(21);
      for (String receipt : receipts) {
        assertThat(Receipt.verify(receipt, Optional.of(node.address())))
            .as(receipt)
            .isInstanceOf(Receipt.Check.Verified.class);
      }
      List<Long> indices = new ArrayList<>();
      consumer
          .jobs()
          .records(Proto.RecordsRequest.newBuilder().setJob(Translation.bytes(job)).build())
          .forEachRemaining(part ->
              part.getEntriesList()
                  .forEach(e -> indices.add(EntryCodec.decode(e.toByteArray()).index())));
      assertThat(indices).hasSize(21).isSorted().doesNotHaveDuplicates();

      Proto.ResultsReply results =
          consumer
              .jobs()
              .results(Proto.ResultsRequest.newBuilder().setJob(Translation.bytes(job)).build());
      assertThat(results.getOutputsList()).hasSize(1);
      assertThat(results.getOutputs(0).getTaskName()).isEqualTo("last");
    }
  }

  static List<String> receipts(PoolCaller consumer, JobId job) {
    List<String> receipts = new ArrayList<>();
    consumer
        .jobs()
        .receipts(Proto.ReceiptsRequest.newBuilder().setJob(Translation.bytes(job)).build())
        .forEachRemaining(part -> receipts.addAll(part.getReceiptsList()));
    return receipts;
  }
}
