package dev.perseid.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;

/// Publishing, offering, tabs, keys, and requests that are recorded and paid.
class ModelTest {
  private final Fixture f = new Fixture();
  private final Model model = ModelSample.model(1);
  private final SignedModelOffer offer = ModelSample.signed(1, model);

  private void serving() {
    f.join(1, 1);
    assertThat(f.run(ModelSample.publish(model)))
        .singleElement()
        .isInstanceOf(Event.ModelPublished.class);
    assertThat(f.run(ModelSample.offers(1, 1, offer)))
        .singleElement()
        .isInstanceOf(Event.ModelsOffered.class);
    f.run(new Command.FillTab(Sample.ALICE, 10_000));
  }

  private void refused(Command c, Rejection.Code code, String message) {
    Rejection r = f.refused(c);
    assertThat(r.message()).contains(message);
    assertThat(r.code()).isEqualTo(code);
    assertThat(f.sum()).isZero();
  }

  @Test
  void aRequestIsRecordedAndPaid() {
    serving();
    assertThat(f.pool.tab(Sample.ALICE)).isEqualTo(10_000);
    assertThat(f.pool.reserved(Sample.ALICE)).isEqualTo(10_000);
    ExecutionRecord r = ModelSample.record(5, offer, model);
    // 60 fresh, 40 cached, 30 completed, and the request itself, each rounded up.
    assertThat(r.charge()).isEqualTo(120 + 20 + 240 + 1);
    List<Event> events = f.run(ModelSample.records(1, r));
    assertThat(events)
        .extracting(Object::getClass)
        .containsExactly(Event.BatchSigned.class, Event.InferenceRecorded.class);
    assertThat(((Event.InferenceRecorded) events.getLast()).entry())
        .isEqualTo(new Entry(0, f.nowUs, r, new Entry.Attestation.Signed(0, 0)));
    assertThat(f.pool.tab(Sample.ALICE)).isEqualTo(10_000 - 381);
    assertThat(f.pool.balance(ModelSample.AUTHOR)).isEqualTo(381 * 50 / 1_000);
    assertThat(f.pool.balance(Sample.POOL)).isEqualTo(381 * 20 / 1_000);
    assertThat(f.pool.balance(Sample.provider(1))).isEqualTo(381 - 19 - 7);
    assertThat(f.pool.provider(Sample.provider(1)).orElseThrow().earned()).isEqualTo(355);
    assertThat(f.run(new Command.EmptyTab(Sample.ALICE)))
        .containsExactly(new Event.TabEmptied(Sample.ALICE, 9_619, f.nowUs));
    assertThat(f.pool.balance(Sample.ALICE)).isEqualTo(100_000_000 - 381);
    assertThat(f.run(new Command.EmptyTab(Sample.ALICE))).isEmpty();
    assertThat(f.sum()).isZero();
  }

  @Test
  void anUnsignedRequestCostsNothing() {
    serving();
    ExecutionRecord r =
        ExecutionRecord.of(
            Sample.POOL,
            ModelSample.order(5, offer, 0),
            ModelSample.served(Outcome.DONE, "the provider did not sign", 100, 40, 30),
            offer.offer(),
            model);
    assertThat(f.run(ModelSample.records(1, "", r)))
        .containsExactly(
            new Event.InferenceRecorded(
                new Entry(0, f.nowUs, r, new Entry.Attestation.PoolOnly())));
    assertThat(f.pool.tab(Sample.ALICE)).isEqualTo(10_000);
  }

  @Test
  void onlyWhatWasDeliveredIsBilled() {
    for (Outcome outcome : Outcome.values()) {
      for (long completion : new long[] {0, 10}) {
        ExecutionRecord r =
            ExecutionRecord.of(
                Sample.POOL,
                ModelSample.order(1, offer, 1_000_000),
                ModelSample.served(outcome, "", 100, 0, completion),
                offer.offer(),
                model);
        boolean billed =
            outcome == Outcome.DONE || (outcome == Outcome.CANCELLED && completion > 0);
        assertThat(r.charge() > 0).as("%s with %d", outcome, completion).isEqualTo(billed);
      }
    }
    assertThat(
            ExecutionRecord.of(
                    Sample.POOL,
                    ModelSample.order(1, offer, 7),
                    ModelSample.served(Outcome.DONE, "", 100, 0, 10),
                    offer.offer(),
                    model)
                .charge())
        .isEqualTo(7);
  }

  @Test
  void publishedVersionsNeverChange() {
    serving();
    assertThat(f.run(ModelSample.publish(model))).as("again").isEmpty();
    Address thief = Sample.BOB;
    refused(
        ModelSample.publish(ModelSample.model(thief, model.name(), "2", Sample.hash(1), 0)),
        Rejection.Code.FORBIDDEN,
        "belongs to " + ModelSample.AUTHOR + ": choose another name");
    refused(
        ModelSample.publish(
            ModelSample.model(ModelSample.AUTHOR, model.name(), "1.0", Sample.hash(1), 50)),
        Rejection.Code.INVALID,
        "choose a new version, published ones never change");
    refused(
        ModelSample.publish(
            ModelSample.model(ModelSample.AUTHOR, model.name(), "1.0", model.manifest(), 51)),
        Rejection.Code.INVALID,
        "was published under other terms");
    refused(
        ModelSample.publish(ModelSample.model(thief, "other", "1", model.manifest(), 0)),
        Rejection.Code.INVALID,
        "this content is published already, as lab/model-1:1.0");
    refused(
        new Command.PublishModel(ModelSample.model(2), Sample.hash(1), "a".repeat(133)),
        Rejection.Code.INVALID,
        "signature has more than 132");
  }

  @Test
  void wrongModelsAreRefused() {
    Model m = model;
    wrong(ModelSample.model(Address.ZERO, "m", "1", Sample.hash(1), 0), "zero address");
    for (String name : List.of("", "/", "a//b", "a/", "..", "a/../b", "ä", "x".repeat(97))) {
      wrong(ModelSample.model(Sample.BOB, name, "1", Sample.hash(1), 0), "the model's name is");
    }
    for (String version : List.of("", "a b", "a:b", "1".repeat(33))) {
      wrong(ModelSample.model(Sample.BOB, "m", version, Sample.hash(1), 0), "model's version is");
    }
    wrong(ModelSample.model(Sample.BOB, "m", "1", Sample.hash(1), 501), "out of range");
    wrong(ModelSample.model(Sample.BOB, "m", "1", Sample.hash(1), -1), "out of range");
    wrong(with(m, "exe", "q8_0", 1, 1, "MIT", 1), "the model's format is 'exe'");
    wrong(with(m, "gguf", "q 8", 1, 1, "MIT", 1), "the model's quantisation is");
    wrong(with(m, "gguf", "", -1, 1, "MIT", 1), "write 0 if it is not known");
    wrong(with(m, "gguf", "", 1, -1, "MIT", 1), "the model's context is of -1 tokens");
    wrong(with(m, "gguf", "", 1, (1 << 30) + 1, "MIT", 1), "the model's context is of");
    wrong(with(m, "gguf", "", 1, 1, "", 1), "the model's licence must be");
    wrong(with(m, "gguf", "", 1, 1, "a\nb", 1), "the model's licence must be");
    wrong(with(m, "gguf", "", 1, 1, "MIT", -1), "before 1970");
  }

  private void wrong(Model m, String message) {
    refused(ModelSample.publish(m), Rejection.Code.INVALID, message);
  }

  private static Model with(
      Model m, String format, String quant, long params, int context, String licence, long madeUs) {
    return new Model(
        m.author(),
        m.name(),
        m.version(),
        m.manifest(),
        m.task(),
        format,
        quant,
        params,
        context,
        licence,
        m.royaltyPermille(),
        madeUs);
  }

  @Test
  void aWithdrawnModelIsOfferedToNobody() {
    serving();
    Model second = ModelSample.model(2);
    f.run(ModelSample.publish(second));
    SignedModelOffer other = ModelSample.signed(1, second);
    f.run(ModelSample.offers(1, 1, offer, other));
    assertThat(f.pool.modelOffers()).containsExactly(offer, other);
    refused(
        new Command.WithdrawModel(model.manifest(), Sample.BOB, false),
        Rejection.Code.FORBIDDEN,
        "only its author may withdraw it");
    refused(
        new Command.WithdrawModel(Sample.hash(1), Sample.BOB, true),
        Rejection.Code.UNKNOWN,
        "is listed here");
    assertThat(f.run(new Command.WithdrawModel(model.manifest(), ModelSample.AUTHOR, false)))
        .containsExactly(new Event.ModelWithdrawn(model.manifest(), f.nowUs));
    assertThat(f.run(new Command.WithdrawModel(model.manifest(), Sample.POOL, true))).isEmpty();
    assertThat(f.pool.modelOffers()).containsExactly(other);
    // What runs under it is still paid, and the provider's other models stay.
    assertThat(f.run(ModelSample.records(1, ModelSample.record(5, offer, model)))).hasSize(2);
    assertThat(f.run(ModelSample.offers(1, 1, offer, other))).isEmpty();
    refused(
        ModelSample.offers(1, 1, offer),
        Rejection.Code.INVALID,
        "all of these models were withdrawn: serve another version");
    refused(ModelSample.publish(model), Rejection.Code.INVALID, "was withdrawn");
  }

  @Test
  void wrongOffersAreRefused() {
    serving();
    ModelOffer o = offer.offer();
    Model unknown = ModelSample.model(9);
    wrongOffer(ModelSample.signed(1, unknown).offer(), "is not published here: publish it first");
    wrongOffer(ModelSample.offer(2, model, ModelSample.PRICE, 50, 20), "is of another provider");
    wrongOffer(ModelSample.offer(1, model, ModelSample.PRICE, 49, 20), "but the model asks 50");
    wrongOffer(ModelSample.offer(1, model, ModelSample.PRICE, 50, 19), "but the pool asks 20");
    wrongOffer(ModelSample.offer(1, model, ModelSample.PRICE, 501, 20), "at most 500 and 500");
    wrongOffer(ModelSample.offer(1, model, ModelSample.PRICE, 50, 501), "at most 500 and 500");
    wrongOffer(
        ModelSample.offer(1, model, new TokenPrice(0, 0, -1, 0, 0), 50, 20), "a price is out of");
    wrongOffer(
        ModelSample.offer(1, model, new TokenPrice(0, Limits.PRICE + 1, 0, 0, 0), 50, 20),
        "a price is out of range");
    wrongOffer(with(o, "r".repeat(33), "q8_0", "b", 1, 1, "", 1), "its region must be");
    wrongOffer(with(o, "", "q 8", "b", 1, 1, "", 1), "its quantisation is 'q 8'");
    wrongOffer(with(o, "", "", "", 1, 1, "", 1), "its backend must be");
    wrongOffer(with(o, "", "", "b", 0, 1, "", 1), "it answers 0 requests at once");
    wrongOffer(with(o, "", "", "b", 65_537, 1, "", 1), "it answers 65537 requests at once");
    wrongOffer(with(o, "", "", "b", 1, -1, "", 1), "its context is of -1 tokens");
    wrongOffer(with(o, "", "", "b", 1, 1, "file:///etc/passwd", 1), "its endpoint must be");
    wrongOffer(with(o, "", "", "b", 1, 1, "http://a b", 1), "its endpoint must be");
    wrongOffer(with(o, "", "", "b", 1, 1, "", -1), "before 1970");
    refused(ModelSample.offers(1, 1, offer, offer), Rejection.Code.INVALID, "is offered twice");
    refused(
        ModelSample.offers(1, 1, new SignedModelOffer(o, offer.hash(), "a".repeat(133))),
        Rejection.Code.INVALID,
        "has more than 132 characters");
    SignedModelOffer[] many = new SignedModelOffer[257];
    java.util.Arrays.fill(many, offer);
    refused(ModelSample.offers(1, 1, many), Rejection.Code.INVALID, "257 models are too many");
    refused(ModelSample.offers(1, 9, offer), Rejection.Code.STALE, "is not the provider's newest");
    refused(ModelSample.offers(3, 1, offer), Rejection.Code.UNKNOWN, "has joined");
    assertThat(f.pool.modelOffers()).as("in force").containsExactly(offer);
    f.run(new Command.DrainProvider(Sample.provider(1), 1));
    assertThat(f.pool.modelOffers()).as("of one that drains").isEmpty();
    refused(ModelSample.offers(1, 1, offer), Rejection.Code.STALE, "the provider drains");
  }

  private void wrongOffer(ModelOffer o, String message) {
    refused(ModelSample.offers(1, 1, ModelSample.signed(o)), Rejection.Code.INVALID, message);
  }

  private static ModelOffer with(
      ModelOffer o,
      String region,
      String quant,
      String backend,
      int parallel,
      int context,
      String endpoint,
      long madeUs) {
    return new ModelOffer(
        o.provider(),
        o.model(),
        region,
        quant,
        backend,
        o.price(),
        o.royaltyPermille(),
        o.poolPermille(),
        parallel,
        context,
        o.policy(),
        Optional.empty(),
        endpoint,
        madeUs);
  }

  @Test
  void offersEndWithTheirProvidersSession() {
    serving();
    f.run(Sample.join(1, 1, 2));
    assertThat(f.pool.modelOffers()).isEmpty();
    assertThat(f.pool.modelOffer(offer.hash())).hasValue(offer);
    f.run(ModelSample.offers(1, 2, offer));
    assertThat(f.pool.modelOffers()).containsExactly(offer);
    f.run(new Command.LoseProvider(Sample.provider(1), 2, "unplugged"));
    assertThat(f.pool.modelOffers()).isEmpty();
    // What it served before is still recorded and paid.
    assertThat(f.run(ModelSample.records(1, ModelSample.record(5, offer, model)))).hasSize(2);
  }

  @Test
  void whoOffersAllTheTimeMakesNobodyElsesOffersForgotten() {
    serving();
    f.join(2, 1);
    List<SignedModelOffer> last = new ArrayList<>();
    for (int i = 0; i < 2 * Limits.MODEL_OFFERS_REMEMBERED_OF_ONE; i++) {
      SignedModelOffer one =
          ModelSample.signed(with(ModelSample.signed(2, model).offer(), "", "", "b", 1, 1, "", i));
      f.run(ModelSample.offers(2, 1, one));
      last.add(one);
    }
    f.run(Sample.join(1, 1, 2));
    assertThat(f.pool.modelOffer(offer.hash())).isPresent();
    assertThat(f.pool.modelOffer(last.getFirst().hash())).isEmpty();
    assertThat(f.pool.modelOffer(last.getLast().hash())).isPresent();
    assertThat(last.stream().filter(o -> f.pool.modelOffer(o.hash()).isPresent()))
        .hasSizeBetween(
            Limits.MODEL_OFFERS_REMEMBERED_OF_ONE / 2, Limits.MODEL_OFFERS_REMEMBERED_OF_ONE);
  }

  @Test
  void tabsAreFilledFromWhatIsFree() {
    refused(new Command.FillTab(Sample.ALICE, 0), Rejection.Code.INVALID, "write 1 or more");
    refused(new Command.FillTab(Sample.ALICE, -5), Rejection.Code.INVALID, "write 1 or more");
    refused(
        new Command.FillTab(Sample.ALICE, Long.MAX_VALUE),
        Rejection.Code.INSUFFICIENT_CREDITS,
        "has 100 credits free");
    refused(
        new Command.FillTab(Sample.BOB, 1),
        Rejection.Code.INSUFFICIENT_CREDITS,
        "has 0 credits free");
    f.run(new Command.FillTab(Sample.ALICE, 100_000_000));
    assertThat(f.pool.balance(Sample.ALICE)).isZero();
    assertThat(f.pool.tabs()).containsExactly(Sample.ALICE);
  }

  @Test
  void keysStandForTheirAccount() {
    Hash key = Sample.hash(1);
    f.run(new Command.MakeApiKey(Sample.ALICE, key, "laptop"));
    assertThat(f.pool.apiKey(key))
        .hasValue(
            new ApiKeyView(
                Sample.ALICE, key, "laptop", f.nowUs, Rights.INFERENCE, Optional.empty(), 0));
    refused(
        new Command.MakeApiKey(Sample.BOB, key, ""), Rejection.Code.INVALID, "this key is in use");
    refused(
        new Command.MakeApiKey(Sample.BOB, Sample.hash(2), "a\nb"),
        Rejection.Code.INVALID,
        "a key's name must be one line");
    refused(
        new Command.RevokeApiKey(key, Sample.BOB, false),
        Rejection.Code.UNKNOWN,
        "this account has no such key");
    for (int i = 0; i < 99; i++) {
      f.run(new Command.MakeApiKey(Sample.ALICE, Sample.hash(100 + i), ""));
    }
    refused(
        new Command.MakeApiKey(Sample.ALICE, Sample.hash(3), ""),
        Rejection.Code.OVERLOADED,
        "revoke one first");
    assertThat(f.run(new Command.RevokeApiKey(key, Sample.POOL, true)))
        .containsExactly(new Event.ApiKeyRevoked(key, f.nowUs));
    assertThat(f.pool.apiKeys(Sample.ALICE)).hasSize(99);
    assertThat(f.run(new Command.MakeApiKey(Sample.ALICE, Sample.hash(3), ""))).hasSize(1);
  }

  @Test
  void whatAKeySpendsCountsOnAllAboveItWhereThereIsALimit() {
    serving();
    Rights limited =
        new Rights(
            EnumSet.of(Scope.INFERENCE, Scope.KEYS),
            List.of(),
            OptionalLong.of(1_000),
            OptionalLong.empty());
    Hash above = Sample.hash(1);
    Hash below = Sample.hash(2);
    Hash free = Sample.hash(3);
    f.run(
        new Command.MakeScopedKey(Sample.ALICE, above, "", limited, Rights.ALL, Optional.empty()));
    f.run(
        new Command.MakeScopedKey(
            Sample.ALICE, below, "", limited, Rights.ALL, Optional.of(above)));
    f.run(new Command.MakeApiKey(Sample.ALICE, free, ""));
    List<List<Hash>> keys = List.of(List.of(below, above), List.of(free), List.of());
    Command.RecordInferences three =
        ModelSample.records(
            1,
            ModelSample.record(5, offer, model),
            ModelSample.record(6, offer, model),
            ModelSample.record(7, offer, model));
    Command asked =
        new Command.RecordInferences(
            three.provider(), three.records(), three.digests(), three.signature(), keys);
    assertThat(f.run(asked).stream().filter(Event.ApiKeySpent.class::isInstance))
        .containsExactly(new Event.ApiKeySpent(List.of(below, above), 381, f.nowUs));
    // The child has gone; what it asked before counts on its maker all the same.
    f.run(new Command.RevokeApiKey(below, Sample.ALICE, false));
    Command.RecordInferences late = ModelSample.records(1, ModelSample.record(8, offer, model));
    f.run(
        new Command.RecordInferences(
            late.provider(), late.records(), late.digests(), late.signature(), keys.subList(0, 1)));
    assertThat(f.pool.apiKey(above).orElseThrow().spent()).isEqualTo(2 * 381);
    assertThat(f.pool.apiKey(free).orElseThrow().spent()).isZero();
  }

  @Test
  void wrongRecordsAreRefused() {
    serving();
    ExecutionRecord r = ModelSample.record(5, offer, model);
    Inference i = r.inference().orElseThrow();
    wrongRecord(r.with(382, split(i, 382)), "is not what the offer allows, which is at most 381");
    wrongRecord(r.with(-1, split(i, 0)), "its charge of -1");
    wrongRecord(counted(r, -100, -100, 30, 0), "fewer than no tokens");
    wrongRecord(counted(r, 100, -1, 30, 0), "fewer than no tokens");
    wrongRecord(counted(r, 100, 40, -30, 0), "fewer than no tokens");
    wrongRecord(counted(r, 100, 40, 30, -1), "fewer than no tokens");
    wrongRecord(counted(r, 100, 101, 30, 0), "of which 101 cannot have been known");
    Inference greedy = shares(i, i.author(), 20, 7);
    wrongRecord(r.with(381, greedy), "not divided as the offer says");
    wrongRecord(r.with(381, shares(i, i.author(), 19, 8)), "not divided as the offer says");
    wrongRecord(r.with(381, shares(i, Sample.BOB, 19, 7)), "is not the one that was offered");
    wrongRecord(order(r, o -> named(o, "", "chat")), "its id is not of 1 to 64");
    wrongRecord(order(r, o -> named(o, "x".repeat(65), "chat")), "its id is not of 1 to 64");
    wrongRecord(order(r, o -> named(o, "a b", "chat")), "its id is not of 1 to 64");
    wrongRecord(order(r, o -> named(o, "a", "sing")), "its call is 'sing'");
    wrongRecord(order(r, o -> timed(o, -1, 5)), "before 1970");
    wrongRecord(order(r, o -> timed(o, 1, -5)), "before 1970");
    wrongRecord(served(Outcome.DONE, "why", 1, 2, 3), "it is done and yet has a reason");
    wrongRecord(served(Outcome.LOST, "w".repeat(513), 1, 2, 3), "its reason is not a text");
    wrongRecord(served(Outcome.LOST, "\ud800", 1, 2, 3), "its reason is not a text");
    wrongRecord(served(Outcome.REFUSED, "no", 1, 2, 3), "does not follow from its order");
    wrongRecord(served(Outcome.DONE, "", 3, 3, 2), "it ended before it started");
    wrongRecord(served(Outcome.DONE, "", 2, 1, 3), "the first part of its answer left");
    wrongRecord(served(Outcome.DONE, "", 1, 4, 3), "the first part of its answer left");
    wrongRecord(served(Outcome.DONE, "", -1, 4, 5), "before 1970");
    // Broken off, and charged nevertheless.
    ExecutionRecord broken = served(Outcome.PROVIDER_FAILED, "it broke", 1, 2, 3);
    wrongRecord(
        broken.with(381, split(broken.inference().orElseThrow(), 381)),
        "does not follow from its order");
    refused(
        ModelSample.records(1, "", r), Rejection.Code.INVALID, "its provider has not signed it");
    refused(ModelSample.records(2, r), Rejection.Code.INVALID, "not a request to a model of this");
    ExecutionRecord elsewhere =
        ExecutionRecord.of(
            Sample.BOB,
            ModelSample.order(5, offer, 1_000),
            ModelSample.served(Outcome.DONE, "", 1, 0, 1),
            offer.offer(),
            model);
    wrongRecord(elsewhere, "in this pool");
    SignedModelOffer never = ModelSample.signed(1, ModelSample.model(3));
    wrongRecord(ModelSample.record(5, never, ModelSample.model(3)), "its offer is not known here");
    refused(
        new Command.RecordInferences(Sample.provider(1), List.of(r), List.of(), ""),
        Rejection.Code.INVALID,
        "1 records with 0 digests");
    refused(ModelSample.records(1), Rejection.Code.INVALID, "0 records with 0 digests");
    refused(ModelSample.records(1, "a".repeat(133), r), Rejection.Code.INVALID, "more than 132");
    assertThat(f.pool.records()).isZero();
  }

  @Test
  void aTabIsNeverOverdrawn() {
    serving();
    ExecutionRecord[] many = new ExecutionRecord[30];
    for (int n = 0; n < many.length; n++) {
      many[n] = ModelSample.record(n, offer, model);
    }
    List<Event> events = f.run(ModelSample.records(1, many));
    // 26 times 381 fit into 10,000.
    assertThat(events.stream().filter(Event.InferenceRecorded.class::isInstance)).hasSize(26);
    assertThat(events.stream().filter(Event.Refused.class::isInstance).map(e -> (Event.Refused) e))
        .hasSize(4)
        .allSatisfy(
            e -> assertThat(e.rejection().message()).contains("tab does not cover its charge"));
    assertThat(f.pool.tab(Sample.ALICE)).isEqualTo(10_000 - 26 * 381);
    assertThat(f.sum()).isZero();
    refused(
        ModelSample.records(1, ModelSample.record(99, offer, model)),
        Rejection.Code.INVALID,
        "tab does not cover");
  }

  @Test
  void aBatchHasEachRequestOnce() {
    serving();
    ExecutionRecord r = ModelSample.record(5, offer, model);
    List<Event> events = f.run(ModelSample.records(1, r, r));
    assertThat(events.stream().filter(Event.InferenceRecorded.class::isInstance)).hasSize(1);
    assertThat(((Event.Refused) events.getLast()).rejection().message())
        .isEqualTo("request 'request-5': it stands in the batch twice");
  }

  private void wrongRecord(ExecutionRecord r, String message) {
    refused(ModelSample.records(1, r), Rejection.Code.INVALID, message);
  }

  private Inference split(Inference i, long charge) {
    return shares(i, i.author(), offer.offer().toAuthor(charge), offer.offer().toPool(charge));
  }

  private static Inference shares(Inference i, Address author, long toAuthor, long toPool) {
    return new Inference(
        i.api(),
        i.quantisation(),
        i.promptTokens(),
        i.cachedTokens(),
        i.completionTokens(),
        i.rows(),
        i.firstTokenUs(),
        author,
        toAuthor,
        toPool);
  }

  private static ExecutionRecord counted(
      ExecutionRecord r, long prompt, long cached, long completion, long rows) {
    Inference i = r.inference().orElseThrow();
    return r.with(
        r.charge(),
        new Inference(
            i.api(),
            i.quantisation(),
            prompt,
            cached,
            completion,
            rows,
            i.firstTokenUs(),
            i.author(),
            i.toAuthor(),
            i.toPool()));
  }

  private ExecutionRecord order(ExecutionRecord r, UnaryOperator<ModelOrder> change) {
    return ExecutionRecord.of(
        Sample.POOL,
        change.apply(ModelSample.order(r.lease(), offer, 1_000)),
        ModelSample.served(Outcome.DONE, "", 1, 0, 1),
        offer.offer(),
        model);
  }

  private static ModelOrder named(ModelOrder o, String id, String api) {
    return new ModelOrder(
        o.number(),
        id,
        o.consumer(),
        o.offer(),
        api,
        o.request(),
        o.submittedUs(),
        o.assignedUs(),
        o.maxCharge());
  }

  private static ModelOrder timed(ModelOrder o, long submittedUs, long assignedUs) {
    return new ModelOrder(
        o.number(),
        o.requestId(),
        o.consumer(),
        o.offer(),
        o.api(),
        o.request(),
        submittedUs,
        assignedUs,
        o.maxCharge());
  }

  private ExecutionRecord served(
      Outcome outcome, String reason, long startedUs, long firstUs, long endedUs) {
    return ExecutionRecord.of(
        Sample.POOL,
        ModelSample.order(5, offer, 1_000),
        new Served(
            outcome,
            reason,
            OptionalLong.of(startedUs),
            OptionalLong.of(firstUs),
            OptionalLong.of(endedUs),
            100,
            40,
            30,
            0,
            Usage.UNMEASURED,
            Blob.EMPTY),
        offer.offer(),
        model);
  }

  @Test
  void pricesAreRoundedUpAndSaturate() {
    assertThat(new TokenPrice(1, 1, 1, 1, 1).charge(1, 0, 1, 1)).isEqualTo(4);
    assertThat(new TokenPrice(1, 1, 1, 1, 1).charge(2, 1, 1, 1)).isEqualTo(5);
    assertThat(new TokenPrice(0, 0, 0, 0, 0).charge(9, 9, 9, 9)).isZero();
    assertThat(new TokenPrice(1_000_000, 0, 0, 0, 0).charge(7, 2, 0, 0)).isEqualTo(5);
    assertThat(new TokenPrice(1_000_001, 0, 0, 0, 0).charge(1, 0, 0, 0)).isEqualTo(2);
    long max = Long.MAX_VALUE;
    assertThat(new TokenPrice(1_000_000, 0, 0, 0, 0).charge(max, 0, 0, 0)).isEqualTo(max);
    assertThat(new TokenPrice(999_999, 0, 0, 0, 0).charge(max, 0, 0, 0)).isLessThan(max);
    assertThat(new TokenPrice(max, max, max, max, max).charge(max, 1, max, max)).isEqualTo(max);
    assertThat(new TokenPrice(1_000_000, 0, 1_000_000, 0, 0).charge(max, 0, 1, 0)).isEqualTo(max);
  }

  @Test
  void sharesNeverExceedTheCharge() {
    long max = Long.MAX_VALUE;
    for (int royalty : new int[] {0, 1, 333, 499, 500}) {
      for (int share : new int[] {0, 1, 20, 333, 500}) {
        ModelOffer o = ModelSample.offer(1, model, ModelSample.PRICE, royalty, share);
        for (long charge : new long[] {0, 1, 2, 3, 999, 1_000, 1_001, 381, max - 1, max}) {
          long author = o.toAuthor(charge);
          long pool = o.toPool(charge);
          assertThat(author)
              .isEqualTo(
                  java.math.BigInteger.valueOf(charge)
                      .multiply(java.math.BigInteger.valueOf(royalty))
                      .divide(java.math.BigInteger.valueOf(1_000))
                      .longValueExact());
          assertThat(author + pool)
              .as("%d and %d of %d", royalty, share, charge)
              .isBetween(0L, charge);
        }
      }
    }
  }

  @Test
  void aSnapshotKeepsAllOfIt() throws IOException {
    serving();
    Model second = ModelSample.model(2);
    f.run(ModelSample.publish(second));
    f.run(new Command.WithdrawModel(second.manifest(), second.author(), false));
    f.run(new Command.MakeApiKey(Sample.ALICE, Sample.hash(1), "këy"));
    f.run(new Command.MakeApiKey(Sample.BOB, Sample.hash(0), ""));
    Rights limited =
        new Rights(
            EnumSet.of(Scope.INFERENCE, Scope.KEYS),
            List.of("a/b", "c"),
            OptionalLong.of(900),
            OptionalLong.of(f.nowUs + 1));
    f.run(
        new Command.MakeScopedKey(
            Sample.BOB, Sample.hash(11), "", limited, Rights.ALL, Optional.empty()));
    f.run(
        new Command.MakeScopedKey(
            Sample.BOB, Sample.hash(12), "", limited, Rights.ALL, Optional.of(Sample.hash(11))));
    f.run(ModelSample.records(1, ModelSample.record(5, offer, model)));
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    f.pool.snapshot(new DataOutputStream(out));
    Pool back = Pool.restore(new DataInputStream(new ByteArrayInputStream(out.toByteArray())));
    assertThat(back.digest()).isEqualTo(f.pool.digest());
    assertThat(back.models()).isEqualTo(f.pool.models()).hasSize(2);
    assertThat(back.modelOffers()).containsExactly(offer);
    assertThat(back.modelOffer(offer.hash())).hasValue(offer);
    assertThat(back.tab(Sample.ALICE)).isEqualTo(10_000 - 381);
    assertThat(back.apiKeys(null)).isEqualTo(f.pool.apiKeys(null)).hasSize(4);
    assertThat(back.sumOfAccounts()).isZero();
    Command again = new Command.MakeApiKey(Sample.BOB, Sample.hash(0), "");
    assertThat(back.execute(again, f.nowUs, new ArrayList<>()))
        .isEqualTo(f.pool.execute(again, f.nowUs, new ArrayList<>()));
  }
}
