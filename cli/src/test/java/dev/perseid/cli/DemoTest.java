package dev.perseid.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.cli.genomics.DemoReads;
import dev.perseid.cli.genomics.Genome;
import dev.perseid.cli.genomics.ReadSimulator;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// The demo as a user runs it, with real processes, on fewer reads.
class DemoTest {
  @TempDir Path folder;

  private static List<Path> leftovers() throws Exception {
    try (Stream<Path> files = Files.list(Path.of(System.getProperty("java.io.tmpdir")))) {
      return files.filter(f -> f.getFileName().toString().startsWith("perseid-demo-")).toList();
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"CHAIN", "CREDITS"})
  void itEndsWellAndLeavesNothingBehind(DemoChain.Wish money) throws Exception {
    List<Path> before = leftovers();
    Path example = Path.of("../examples/genomics");
    Genome genome = Genome.parse(Files.readString(example.resolve("data/lambda.fa")));
    DemoReads reads =
        new DemoReads(ReadSimulator.simulate(genome, 7, 1_000).fastq(), "1000 simulated reads");
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    Screen screen =
        new Screen(
            new PrintStream(out, true, StandardCharsets.UTF_8),
            new PrintStream(out, true, StandardCharsets.UTF_8),
            false);
    Serving serving = new Serving(screen, false);
    boolean good;
    try {
      Path kept = Path.of("target", "clients");
      good =
          new Demo(screen, serving, example, reads, folder.resolve("results"), kept, money, false)
              .run();
    } finally {
      serving.stop();
    }
    String text = out.toString(StandardCharsets.UTF_8);
    assertThat(good).as(text).isTrue();
    assertThat(text)
        .contains("all 5 result files equal those of a plain single-process run, byte for byte")
        .contains("== critical path")
        .contains("paid = earned, to the microcredit")
        .containsPattern("2[2-9][0-9] receipts verified")
        .containsPattern(
            "asked by OpenAI's own client, unchanged: openai \\d+\\.\\d+\\.\\d+ on Node v")
        .contains("streamed, first word after ")
        .contains(", whole after ")
        .contains("The capital of Norway is Oslo.")
        .contains("by office")
        .contains("tokens and 1 row")
        .contains("receipts of requests verified");
    if (money == DemoChain.Wish.CHAIN) {
      assertThat(text)
          .contains("money: play dollars in an escrow contract on a chain of this machine (anvil ")
          .contains("== settlement")
          .containsPattern("epoch 1 settled after .*: 1 voucher, \\d payouts; transaction 0x")
          .containsPattern("gas for 2[3-9][0-9] tasks and requests: \\d+ gas each")
          .contains("last voucher, settlement and its confirmation took ")
          .contains("is in the root that the pool committed: verified by the contract Court");
    } else {
      assertThat(text).contains("money: credits in the pool's own log");
    }
    assertThat(leftovers()).isEqualTo(before);
    assertThat(ProcessHandle.current().descendants().filter(DemoTest::isProvider)).isEmpty();
    assertThat(VerifyCommand.receipts(folder.resolve("results/receipts.jsonl")))
        .as("each attempt has one, and newcomers were checked")
        .hasSizeBetween(226, 299);
  }

  private static boolean isProvider(ProcessHandle process) {
    return process.info().arguments().stream()
        .flatMap(Stream::of)
        .anyMatch(
            word -> word.equals("--until-stdin-ends") || word.equals("--enable-tx-gas-limit"));
  }
}
