package dev.perseid.core;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/// Small good models, offers and records of requests, to be varied.
final class ModelSample {
  static final Address AUTHOR = new Address(3, 0, 1);
  static final TokenPrice PRICE = new TokenPrice(2_000_000, 500_000, 8_000_000, 3_000_000, 1);

  private ModelSample() {}

  static Model model(int number) {
    return model(AUTHOR, "lab/model-" + number, "1.0", Sample.hash(700 + number), 50);
  }

  static Model model(Address author, String name, String version, Hash manifest, int royalty) {
    return new Model(
        author,
        name,
        version,
        manifest,
        ModelTask.CHAT,
        "gguf",
        "q8_0",
        1_000_000,
        4_096,
        "Apache-2.0",
        royalty,
        7);
  }

  static Command.PublishModel publish(Model m) {
    return new Command.PublishModel(m, Sample.hash(m.madeUs() + 1), Sample.SIGNATURE);
  }

  static ModelOffer offer(int provider, Model m, TokenPrice price, int royalty, int share) {
    return new ModelOffer(
        Sample.provider(provider),
        m.manifest(),
        "eu",
        "q8_0",
        "llama 1",
        price,
        royalty,
        share,
        4,
        4_096,
        DataPolicy.KEEPS,
        Optional.of(Sample.hash(5)),
        "https://example.org/v1",
        7);
  }

  static SignedModelOffer signed(int provider, Model m) {
    return signed(offer(provider, m, PRICE, m.royaltyPermille(), 20));
  }

  static SignedModelOffer signed(ModelOffer o) {
    Hash hash = Hash.sha256(o.toString().getBytes(java.nio.charset.StandardCharsets.UTF_8));
    return new SignedModelOffer(o, hash, Sample.SIGNATURE);
  }

  static Command.OfferModels offers(int provider, long session, SignedModelOffer... offers) {
    return new Command.OfferModels(Sample.provider(provider), session, List.of(offers), 20);
  }

  static ModelOrder order(long number, SignedModelOffer offer, long maxCharge) {
    return order(number, offer, Sample.ALICE, maxCharge);
  }

  static ModelOrder order(long number, SignedModelOffer offer, Address consumer, long maxCharge) {
    return new ModelOrder(
        number,
        "request-" + number,
        consumer,
        offer.hash(),
        "chat",
        Sample.blob(number),
        1_000,
        1_100,
        maxCharge);
  }

  static Served served(Outcome outcome, String reason, long prompt, long cached, long completion) {
    return new Served(
        outcome,
        reason,
        OptionalLong.of(1_000),
        OptionalLong.of(1_200),
        OptionalLong.of(1_900),
        prompt,
        cached,
        completion,
        0,
        Usage.UNMEASURED,
        Sample.blob(44));
  }

  static ExecutionRecord record(long number, SignedModelOffer offer, Model m) {
    return ExecutionRecord.of(
        Sample.POOL,
        order(number, offer, 1_000_000),
        served(Outcome.DONE, "", 100, 40, 30),
        offer.offer(),
        m);
  }

  static Command.RecordInferences records(int provider, ExecutionRecord... records) {
    return records(provider, Sample.SIGNATURE, records);
  }

  static Command.RecordInferences records(
      int provider, String signature, ExecutionRecord... records) {
    List<Hash> digests = new ArrayList<>();
    for (ExecutionRecord r : records) {
      digests.add(Sample.hash(r.lease()));
    }
    return new Command.RecordInferences(
        Sample.provider(provider), List.of(records), digests, signature);
  }
}
