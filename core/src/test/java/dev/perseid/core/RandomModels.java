package dev.perseid.core;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;

/// Random commands about models, good and bad.
final class RandomModels {
  private static final String[] NAMES = {"a", "b/c", "d"};

  private final Random random;
  private final int providers;
  private final List<Model> published = new ArrayList<>();
  private final Map<String, Long> audited = new HashMap<>();
  private final List<SignedModelOffer> offers = new ArrayList<>();
  private long nextNumber = 1;
  private long nextMadeUs;
  private int keys;

  RandomModels(Random random, int providers) {
    this.random = random;
    this.providers = providers;
  }

  /// Learns what there is.
  void saw(Event event) {
    if (event instanceof Event.ModelPublished e) {
      published.add(e.model());
    } else if (event instanceof Event.ModelsOffered e) {
      offers.addAll(e.offers());
    } else if (event instanceof Event.Audited e) {
      AuditNote n = e.note();
      audited.put(n.provider().c() + " " + n.model() + " " + n.reader(), n.audits());
    }
  }

  Command command(long[] sessions) {
    int p = random.nextInt(providers);
    return switch (random.nextInt(18)) {
      case 0, 1 -> publish();
      case 2 ->
          random.nextInt(6) == 0
              ? new Command.WithdrawModel(manifest(), account(), random.nextInt(4) == 0)
              : publish();
      case 3, 4, 5 -> offer(p, random.nextInt(15) == 0 ? sessions[p] - 1 : sessions[p]);
      case 6, 7 -> new Command.FillTab(consumer(), random.nextInt(3_000) - 50);
      case 8 -> new Command.EmptyTab(consumer());
      case 9 ->
          random.nextBoolean()
              ? new Command.MakeApiKey(account(), Sample.hash(keys++ / 2), "k".repeat(keys % 66))
              : scopedKey();
      case 10 ->
          new Command.RevokeApiKey(
              Sample.hash(random.nextInt(1 + keys)), account(), random.nextBoolean());
      case 11 -> audit(p);
      case 12 ->
          random.nextBoolean()
              ? new Command.FundAudits(account(), random.nextInt(40), random.nextInt(400))
              : new Command.CloseAudits(account());
      default -> record();
    };
  }

  private Command audit(int p) {
    Hash model = manifest();
    Address reader = random.nextBoolean() ? Sample.POOL : Sample.provider(random.nextInt(4));
    Standing standing = Standing.values()[random.nextInt(20) == 0 ? random.nextInt(4) : 0];
    long audits = audited.getOrDefault(p + " " + model + " " + reader, 0L) + 1;
    return new Command.RecordAudit(
        AuditNotesTest.note(p, model, reader, standing, audits, random.nextLong()));
  }

  private Address account() {
    return new Address(random.nextInt(4) == 0 ? 2 : 3, 0, random.nextInt(3));
  }

  private Address consumer() {
    return random.nextBoolean() ? Sample.ALICE : Sample.BOB;
  }

  private Hash manifest() {
    return Sample.hash(600 + random.nextInt(12));
  }

  private Command publish() {
    if (!published.isEmpty() && random.nextInt(5) == 0) {
      return ModelSample.publish(published.get(random.nextInt(published.size())));
    }
    return ModelSample.publish(
        ModelSample.model(
            account(),
            NAMES[random.nextInt(NAMES.length)],
            random.nextInt(20) == 0 ? "" : "v" + random.nextInt(4),
            manifest(),
            random.nextInt(8) == 0 ? 501 : random.nextInt(501)));
  }

  private Command offer(int p, long session) {
    List<SignedModelOffer> some = new ArrayList<>();
    for (Model m : published) {
      if (random.nextInt(3) > 0) {
        some.add(offer(p, m));
      }
    }
    return new Command.OfferModels(Sample.provider(p), session, some, 20);
  }

  private SignedModelOffer offer(int p, Model m) {
    TokenPrice price =
        new TokenPrice(
            random.nextInt(4_000_000),
            random.nextInt(1_000_000),
            random.nextInt(9_000_000),
            random.nextInt(9_000_000),
            random.nextInt(40) == 0 ? -1 : random.nextInt(2_000_000));
    int royalty = m.royaltyPermille() - (random.nextInt(40) == 0 ? 1 : 0);
    int share = random.nextInt(40) == 0 ? 19 : 20 + random.nextInt(400);
    ModelOffer o = ModelSample.offer(p, m, price, royalty, share);
    return ModelSample.signed(
        new ModelOffer(
            o.provider(),
            o.model(),
            o.region(),
            o.quantisation(),
            o.backend(),
            price,
            royalty,
            share,
            o.parallel(),
            o.contextTokens(),
            o.policy(),
            o.sealKey(),
            o.endpoint(),
            nextMadeUs++));
  }

  private Command scopedKey() {
    Optional<Hash> parent =
        random.nextBoolean()
            ? Optional.of(Sample.hash(random.nextInt(1 + keys)))
            : Optional.empty();
    return new Command.MakeScopedKey(
        account(), Sample.hash(keys++ / 2), "s", rights(), Rights.ALL, parent);
  }

  private Rights rights() {
    EnumSet<Scope> scopes = EnumSet.noneOf(Scope.class);
    for (Scope scope : Scope.values()) {
      if (random.nextInt(4) > 0) {
        scopes.add(scope);
      }
    }
    return new Rights(
        scopes,
        random.nextInt(4) == 0 ? List.of(NAMES[random.nextInt(3)]) : List.of(),
        random.nextInt(3) == 0 ? OptionalLong.of(random.nextInt(5_000)) : OptionalLong.empty(),
        random.nextInt(3) == 0
            ? OptionalLong.of(random.nextInt(1_000) * 500_000L)
            : OptionalLong.empty());
  }

  /// For each record the keys that it may have been asked with, good and bad.
  private List<List<Hash>> askedWith(int records) {
    List<List<Hash>> all = new ArrayList<>();
    for (int i = 0; i < records; i++) {
      List<Hash> line = new ArrayList<>();
      for (int k = random.nextInt(3); k > 0; k--) {
        line.add(Sample.hash(random.nextInt(1 + keys)));
      }
      all.add(line.stream().distinct().toList());
    }
    return all;
  }

  private Command record() {
    if (offers.isEmpty()) {
      return publish();
    }
    SignedModelOffer offer = offers.get(random.nextInt(offers.size()));
    List<ExecutionRecord> records = new ArrayList<>();
    boolean signed = random.nextInt(5) > 0;
    int count = 1 + random.nextInt(4);
    for (int i = 0; i < count; i++) {
      records.add(record(offer, signed));
    }
    int p = random.nextInt(15) == 0 ? random.nextInt(providers) : offer.offer().provider().c();
    Command.RecordInferences plain =
        ModelSample.records(
            p, signed ? Sample.SIGNATURE : "", records.toArray(ExecutionRecord[]::new));
    return new Command.RecordInferences(
        plain.provider(), plain.records(), plain.digests(), plain.signature(), askedWith(count));
  }

  private ExecutionRecord record(SignedModelOffer offer, boolean signed) {
    Model model =
        published.stream()
            .filter(m -> m.manifest().equals(offer.offer().model()))
            .findFirst()
            .orElseThrow();
    Outcome outcome = Outcome.values()[random.nextInt(6)];
    outcome = random.nextBoolean() ? Outcome.DONE : outcome;
    long prompt = random.nextInt(300);
    Served served =
        ModelSample.served(
            outcome,
            outcome == Outcome.DONE ? "" : "it did not go well",
            prompt,
            random.nextInt(1 + (int) prompt),
            random.nextInt(300));
    long most = signed ? 1 + random.nextInt(5_000) : 0;
    ExecutionRecord good =
        ExecutionRecord.of(
            Sample.POOL,
            ModelSample.order(nextNumber++, offer, consumer(), most),
            served,
            offer.offer(),
            model);
    Inference i = good.inference().orElseThrow();
    return switch (random.nextInt(24)) {
      case 0 -> good.with(good.charge() + 1 + random.nextInt(9_000), i);
      case 1 -> good.with(-1 - good.charge(), i);
      case 2 ->
          good.with(good.charge(), changed(i, i.promptTokens(), i.toAuthor() + 1, i.toPool()));
      case 3 ->
          good.with(good.charge(), changed(i, i.promptTokens(), i.toAuthor(), i.toPool() - 1));
      case 4 -> good.with(Long.MAX_VALUE, changed(i, -1, Long.MAX_VALUE / 2, Long.MAX_VALUE / 2));
      case 5 -> good.with(good.charge(), changed(i, Long.MIN_VALUE, i.toAuthor(), i.toPool()));
      default -> good;
    };
  }

  private static Inference changed(Inference i, long prompt, long toAuthor, long toPool) {
    return new Inference(
        i.api(),
        i.quantisation(),
        prompt,
        i.cachedTokens(),
        i.completionTokens(),
        i.rows(),
        i.firstTokenUs(),
        i.author(),
        toAuthor,
        toPool);
  }
}
