package dev.perseid.node;

import com.google.protobuf.ByteString;
import dev.perseid.core.Entry;
import dev.perseid.core.EntryCodec;
import dev.perseid.core.Hash;
import dev.perseid.core.ModelOffer;
import dev.perseid.journal.Merkle;
import dev.perseid.settle.Digests;
import dev.perseid.wire.ModelParts;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.InferenceGrpc;
import dev.perseid.wire.v1.Proto;
import io.grpc.stub.StreamObserver;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/// A provider's serving stream that the test plays by hand.
final class PuppetServing {
  final PuppetProvider provider;
  final LinkedBlockingQueue<Proto.ToServing> heard = new LinkedBlockingQueue<>();
  final LinkedBlockingQueue<String> broken = new LinkedBlockingQueue<>();
  private final StreamObserver<Proto.FromServing> out;

  PuppetServing(PuppetProvider provider) {
    this.provider = provider;
    this.out =
        InferenceGrpc.newStub(provider.caller.channelWithToken())
            .serve(
                new StreamObserver<>() {
                  @Override
                  public void onNext(Proto.ToServing m) {
                    heard.add(m);
                  }

                  @Override
                  public void onError(Throwable t) {
                    broken.add(t.toString());
                  }

                  @Override
                  public void onCompleted() {
                    broken.add("completed");
                  }
                });
  }

  /// Says which models it serves and that all are healthy.
  PuppetServing serving(long session, ModelOffer... offers) throws Exception {
    Proto.ServingHello.Builder hello = Proto.ServingHello.newBuilder().setSession(session);
    Proto.ServingHealth.Builder health = Proto.ServingHealth.newBuilder();
    for (ModelOffer offer : offers) {
      hello.addOffers(ModelParts.write(offer, provider.caller.key.sign(Digests.modelOffer(offer))));
      health.addModels(
          Proto.ModelHealth.newBuilder()
              .setModel(Translation.bytes(offer.model()))
              .setHealthy(true));
    }
    say(Proto.FromServing.newBuilder().setHello(hello).build());
    hear(Proto.ToServing.MessageCase.WELCOME);
    say(Proto.FromServing.newBuilder().setHealth(health).build());
    return this;
  }

  synchronized void say(Proto.FromServing m) {
    out.onNext(m);
  }

  synchronized void hangUp() {
    out.onError(new RuntimeException("gone"));
  }

  Proto.ToServing hear(Proto.ToServing.MessageCase kind) throws Exception {
    Proto.ToServing m = heard.poll(20, TimeUnit.SECONDS);
    if (m == null || m.getMessageCase() != kind) {
      throw new AssertionError("heard " + m + " but wanted " + kind + "; broken: " + broken);
    }
    return m;
  }

  void part(long number, String json) {
    say(
        Proto.FromServing.newBuilder()
            .setParts(
                Proto.ServingParts.newBuilder()
                    .addParts(
                        Proto.AnswerPart.newBuilder()
                            .setNumber(number)
                            .setJson(ByteString.copyFrom(json, StandardCharsets.UTF_8))))
            .build());
  }

  void end(long number, Proto.AnswerEnd.Builder end) {
    say(
        Proto.FromServing.newBuilder()
            .setParts(
                Proto.ServingParts.newBuilder()
                    .addParts(Proto.AnswerPart.newBuilder().setNumber(number).setEnd(end)))
            .build());
  }

  /// What a claim of these tokens looks like.
  static Proto.AnswerEnd.Builder claiming(long prompt, long completion) {
    return Proto.AnswerEnd.newBuilder()
        .setClaim(Proto.Claim.newBuilder().setPromptTokens(prompt).setCompletionTokens(completion))
        .setStartedUs(1_000_000)
        .setFirstTokenUs(1_000_500)
        .setEndedUs(1_002_000);
  }

  /// The records of a bill.
  static List<Entry> records(Proto.Bill bill) {
    return bill.getRecordsList().stream().map(b -> EntryCodec.decode(b.toByteArray())).toList();
  }

  void sign(Proto.Bill bill) {
    List<Hash> digests = new ArrayList<>();
    for (Entry e : records(bill)) {
      digests.add(Digests.record(e.record()));
    }
    Hash root = Merkle.rootOfDigests(digests);
    String signature =
        provider.caller.key.sign(Digests.batch(provider.caller.pool, root, digests.size()));
    say(
        Proto.FromServing.newBuilder()
            .setSignature(
                Proto.BillSignature.newBuilder()
                    .setNumber(bill.getNumber())
                    .setRoot(Translation.bytes(root))
                    .setSignature(Translation.signature(signature)))
            .build());
  }
}
