package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.AuditKind;
import dev.perseid.core.Hash;
import dev.perseid.core.Limits;
import dev.perseid.core.Model;
import dev.perseid.core.ModelOffer;
import dev.perseid.core.Standing;
import dev.perseid.gateway.Market;
import dev.perseid.gateway.RequestName;
import dev.perseid.inference.Api;
import dev.perseid.inference.Audit;
import dev.perseid.inference.AuditDraw;
import dev.perseid.inference.AuditPolicy;
import dev.perseid.inference.Canary;
import dev.perseid.inference.CanaryPool;
import dev.perseid.inference.Claim;
import dev.perseid.inference.Draw;
import dev.perseid.inference.EchoReading;
import dev.perseid.inference.Evidence;
import dev.perseid.inference.Failure;
import dev.perseid.inference.GgufTokens;
import dev.perseid.inference.LanguageModel;
import dev.perseid.inference.Request;
import dev.perseid.inference.Transcript;
import dev.perseid.inference.Verdict;
import dev.perseid.node.AuditBook.Suspect;
import java.io.Closeable;
import java.security.SecureRandom;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// Finds providers that serve another model than they sell or count what was not there
/// (docs/audits.md). A secret draws, after an answer is complete, whether it is read again or asked
/// for again, and whether a question of the pool's own follows it: so an audited request is an
/// ordinary one, and so is an audit's. In the background, one at a time; when too many wait, the
/// newest are left out.
final class PoolAudits implements Closeable {
  /// An answered request.
  ///
  /// @param consumer who pays
  /// @param parts of the answer, as they came; not changed any more
  /// @param maxTokens the most of the answer that could be billed
  record Answered(
      Address consumer,
      Model model,
      ModelOffer offer,
      Request request,
      List<byte[]> parts,
      Claim claim,
      long maxTokens) {
    Suspect suspect() {
      return new Suspect(offer.provider(), offer.model());
    }

    Optional<byte[]> whole() {
      return request.stream() ? WholeAnswer.of(parts) : parts.stream().findFirst();
    }
  }

  /// What the pool asks for itself.
  private sealed interface Errand {
    /// A question whose answer is known.
    record Known(Expected expected) implements Errand {}

    /// A consumer's request once more.
    record Again(Transcript first, Optional<Evidence> found) implements Errand {}

    /// A question whose answer another provider shall read.
    record Probe() implements Errand {}

    /// Another provider's reading of such an answer.
    record Reading(Suspect suspect, Transcript transcript, GgufTokens tokens) implements Errand {}
  }

  /// A canary, and who was asked for it.
  private record Expected(String prompt, Canary canary, Set<Address> asked) {}

  private sealed interface Work {
    /// Drawn to be audited.
    record Drawn(Answered answered, AuditDraw.Check check, boolean canary) implements Work {}

    /// An errand was answered.
    record Heard(Errand errand, Answered answered) implements Work {}
  }

  /// Something that the pool asks for itself.
  private enum Wish {
    /// A question whose answer is known.
    CANARY,
    /// A question whose answer another provider reads.
    PROBE,
    /// The same with the same seed.
    REPEAT,
    /// The same with another seed.
    ANEW
  }

  /// Something to be asked when its time has come.
  private record Due(long atMs, Answered like, Wish wish) {}

  /// An errand that is under way.
  private static final class UnderWay {
    final Errand errand;
    final Address payer;
    final long sinceNs = System.nanoTime();
    volatile @Nullable Runnable cancel;

    UnderWay(Errand errand, Address payer) {
      this.errand = errand;
      this.payer = payer;
    }
  }

  private static final System.Logger LOG = System.getLogger(PoolAudits.class.getName());

  private final Address pool;
  private final AuditTerms terms;
  private final AuditDraw draw;
  private final AuditShelf shelf;
  private final CanaryPool prompts = CanaryPool.everyday();
  private final SecureRandom random = new SecureRandom();
  private final ArrayBlockingQueue<Work> work =
      new ArrayBlockingQueue<>(MarketLimits.WAITING_AUDITS);
  private final PriorityQueue<Due> due = new PriorityQueue<>(Comparator.comparingLong(Due::atMs));
  private final Map<String, UnderWay> underWay = new ConcurrentHashMap<>();
  private final LinkedHashMap<Hash, ArrayDeque<Expected>> canaries =
      new LinkedHashMap<>(16, 0.75f, true);
  private volatile @Nullable AuditBook book;
  private @Nullable Thread thread;
  private volatile boolean closing;

  /// @param pool the pool's own address
  /// @param secret decides which answers are audited
  /// @param mostBytes the largest file of weights that the pool loads to audit with
  PoolAudits(Address pool, BlobStore blobs, AuditTerms terms, Hash secret, long mostBytes) {
    this.pool = pool;
    this.terms = terms;
    this.draw = new AuditDraw(secret);
    this.shelf = new AuditShelf(blobs, mostBytes);
  }

  /// Reads what the log knows and begins. To be called once, when all tabs are empty.
  void start(PoolMarket asked, PoolMill mill) throws PoolMill.Unavailable {
    AuditBook opened = new AuditBook(pool, mill);
    opened.open();
    AuditPurse filled = new AuditPurse(pool, mill, random);
    filled.open();
    book = opened;
    Thread started =
        Thread.ofPlatform().name("audits").daemon().unstarted(() -> run(opened, filled, asked));
    thread = started;
    started.start();
  }

  /// Whether answers under this offer can be audited: the pool must know the tokens, and the
  /// provider must say that it computes them with this project's engine. What another engine
  /// computes differs by rounding alone, for which no baseline was measured.
  static boolean canAudit(Model model, ModelOffer offer) {
    return model.format().equals("gguf") && offer.backend().startsWith(LanguageModel.ENGINE);
  }

  /// The rates of a model.
  AuditPolicy policy(Model model) {
    return terms.of(model);
  }

  /// What is known of a provider's serving of a model.
  Standing standing(Address provider, Hash model) {
    AuditBook known = book;
    return known == null ? Standing.UNDECIDED : known.standing(new Suspect(provider, model));
  }

  /// A chat was answered to its end. Never blocks; when more is answered than can be read, the rest
  /// are as good a sample.
  void answered(Answered a) {
    UnderWay mine = underWay.get(a.request.id());
    // Ids are the consumers' to choose, and one who knows that of an errand must not answer for it;
    // but nobody else can pay out of the account of an audit.
    if (mine != null && mine.payer.equals(a.consumer)) {
      if (underWay.remove(a.request.id(), mine)) {
        boolean _ = work.offer(new Work.Heard(mine.errand, a));
      }
      return;
    }
    AuditPolicy policy = terms.of(a.model);
    Standing standing = standing(a.offer.provider(), a.offer.model());
    AuditDraw.Check check = draw.check(a.request.id(), policy, decision(standing));
    boolean canary = standing != Standing.CHEATING && draw.canary(a.request.id(), policy);
    if (canary || check != AuditDraw.Check.NONE) {
      boolean _ = work.offer(new Work.Drawn(a, check, canary));
    }
  }

  private static Verdict.Decision decision(Standing standing) {
    return switch (standing) {
      case UNDECIDED, ACCUSED -> Verdict.Decision.UNDECIDED;
      case HONEST -> Verdict.Decision.HONEST;
      case CHEATING -> Verdict.Decision.CHEATING;
    };
  }

  private void run(AuditBook known, AuditPurse filled, PoolMarket asked) {
    Round round = new Round(known, filled, asked);
    try (shelf) {
      while (!closing) {
        once(round);
      }
    }
  }

  private void once(Round round) {
    try {
      Work next = work.poll(MarketLimits.AUDIT_TICK_MS, TimeUnit.MILLISECONDS);
      if (next != null) {
        round.work(next);
      }
      round.tick();
    } catch (InterruptedException e) {
      closing = true;
    } catch (PoolMill.Unavailable e) {
      // The pool has stopped or is overloaded: what was found is lost, and nothing is known of it.
      LOG.log(System.Logger.Level.DEBUG, "an audit was given up", e);
    } catch (RuntimeException e) {
      LOG.log(System.Logger.Level.ERROR, "an audit failed", e);
    }
  }

  /// The audits' own thread.
  private final class Round {
    private final AuditBook known;
    private final AuditPurse purse;
    private final PoolMarket market;
    private long closedMs;

    Round(AuditBook known, AuditPurse purse, PoolMarket market) {
      this.known = known;
      this.purse = purse;
      this.market = market;
    }

    private Optional<GgufTokens> tokens(Model model) {
      return market
          .tokens(model.manifest())
          .filter(t -> t instanceof GgufTokens)
          .map(t -> (GgufTokens) t);
    }

    private Optional<Transcript> transcript(Answered a) {
      return tokens(a.model).flatMap(t -> transcript(a, t));
    }

    private Optional<Transcript> transcript(Answered a, GgufTokens tokens) {
      return a.whole()
          .flatMap(whole ->
              shelf
                  .reader(a.model, a.offer, tokens)
                  .read(a.request.id(), a.request.body(), whole, a.claim));
    }

    void work(Work next) throws PoolMill.Unavailable {
      switch (next) {
        case Work.Drawn(Answered a, AuditDraw.Check check, boolean canary) -> {
          switch (check) {
            case NONE -> {}
            case READ -> read(a);
            case REPEAT -> later(a, Wish.REPEAT);
            case ANEW -> later(a, Wish.ANEW);
          }
          if (canary) {
            later(a, Wish.CANARY);
          }
        }
        case Work.Heard(Errand errand, Answered a) -> heard(errand, a);
      }
    }

    private void later(Answered like, Wish wish) {
      if (due.size() < MarketLimits.WAITING_AUDITS) {
        long delay = terms.delayMs() == 0 ? 0 : random.nextLong(terms.delayMs());
        due.add(new Due(nowMs() + delay, like, wish));
      }
    }

    private long nowMs() {
      return System.nanoTime() / 1_000_000;
    }

    void tick() throws PoolMill.Unavailable {
      long now = nowMs();
      while (!due.isEmpty() && due.element().atMs <= now) {
        Due next = due.remove();
        switch (next.wish) {
          case CANARY -> canary(next.like);
          case PROBE -> probe(next.like);
          case REPEAT -> again(next.like, false);
          case ANEW -> again(next.like, true);
        }
      }
      for (Map.Entry<String, UnderWay> e : List.copyOf(underWay.entrySet())) {
        Runnable cancel = e.getValue().cancel;
        if (System.nanoTime() - e.getValue().sinceNs > MarketLimits.AUDIT_ANSWER_NS
            && underWay.remove(e.getKey(), e.getValue())
            && cancel != null) {
          cancel.run();
        }
      }
      if (now - closedMs > MarketLimits.TAB_IDLE_MS) {
        closedMs = now;
        purse.tick();
      }
    }

    /// Reads a consumer's answer with the pool's own weights. Where it has none, another provider
    /// must read; it does not get a consumer's words, but an answer to a question of the pool's.
    private void read(Answered a) throws PoolMill.Unavailable {
      Optional<Transcript> found = transcript(a);
      if (found.isEmpty()) {
        return;
      }
      Transcript transcript = found.get();
      Optional<AuditShelf.Reference> reference = shelf.reference(a.model);
      if (reference.isEmpty()) {
        weigh(a, pool, AuditKind.READ, Audit.claimed(transcript));
        later(a, Wish.PROBE);
      } else if (fits(transcript, reference.get())) {
        weigh(a, pool, AuditKind.READ, Audit.check(transcript, reference.get()));
      }
    }

    private static boolean fits(Transcript t, AuditShelf.Reference reference) {
      return t.prompt().length + t.output().length <= reference.model().context();
    }

    private void again(Answered a, boolean anew) throws PoolMill.Unavailable {
      Optional<Transcript> first = transcript(a);
      boolean greedy = first.map(t -> t.sampling().params().temperature() <= 0).orElse(false);
      boolean shared = first.map(t -> t.sampling().draw() instanceof Draw.Shared).orElse(false);
      if (first.isEmpty() || !(greedy || shared)) {
        return;
      }
      Optional<AuditShelf.Reference> reference =
          anew && !greedy ? shelf.reference(a.model) : Optional.empty();
      Optional<byte[]> other =
          reference.isPresent() && fits(first.get(), reference.get())
              ? AuditQuestion.unseeded(a.request.body())
              : Optional.empty();
      Optional<Evidence> found =
          other.flatMap(_ -> reference.map(r -> Audit.check(first.get(), r)));
      ask(
          new Errand.Again(first.get(), found),
          a.suspect(),
          a.request,
          other.orElse(a.request.body()),
          a.maxTokens);
    }

    private void canary(Answered like) throws PoolMill.Unavailable {
      Optional<Expected> expected = expected(like);
      if (expected.isEmpty()) {
        probe(like);
        return;
      }
      Expected e = expected.get();
      Optional<byte[]> body = AuditQuestion.body(like.request.body(), e.prompt, true);
      if (body.isPresent() && question(new Errand.Known(e), like, body.get())) {
        e.asked.add(like.offer.provider());
      }
    }

    /// A canary that this provider does not know; a new one if the pool can make one.
    private Optional<Expected> expected(Answered like) {
      ArrayDeque<Expected> made =
          canaries.computeIfAbsent(like.model.manifest(), _ -> new ArrayDeque<>());
      if (canaries.size() > MarketLimits.CANARY_MODELS) {
        canaries.pollFirstEntry();
      }
      for (Expected e : made) {
        if (!e.asked.contains(like.offer.provider())) {
          return Optional.of(e);
        }
      }
      Optional<AuditShelf.Reference> reference = shelf.reference(like.model);
      Optional<GgufTokens> tokens = tokens(like.model);
      if (reference.isEmpty() || tokens.isEmpty()) {
        return Optional.empty();
      }
      String prompt = prompts.prompt(draw, name());
      Optional<byte[]> body = AuditQuestion.body(like.request.body(), prompt, true);
      List<int[]> prompted = body.map(b -> tokens.get().prompts(Api.CHAT, b)).orElse(List.of());
      if (prompted.size() != 1
          || prompted.getFirst().length + MarketLimits.CANARY_TOKENS
              > reference.get().model().context()) {
        return Optional.empty();
      }
      Expected fresh =
          new Expected(
              prompt,
              Canary.of(
                  prompted.getFirst(),
                  reference.get(),
                  MarketLimits.CANARY_TOKENS,
                  tokens.get().end()),
              new HashSet<>());
      made.addFirst(fresh);
      if (made.size() > MarketLimits.CANARIES) {
        made.removeLast();
      }
      return Optional.of(fresh);
    }

    private void probe(Answered like) throws PoolMill.Unavailable {
      if (reader(like.suspect(), like.model).isPresent()) {
        Optional<byte[]> body =
            AuditQuestion.body(like.request.body(), prompts.prompt(draw, name()), false);
        if (body.isPresent()) {
          question(new Errand.Probe(), like, body.get());
        }
      }
    }

    private boolean question(Errand errand, Answered like, byte[] body)
        throws PoolMill.Unavailable {
      long most = AuditQuestion.mostTokens(body, like.offer.contextTokens());
      return ask(errand, like.suspect(), like.request, body, most);
    }

    /// Who may read answers of a suspect: it must serve the same model with this project's engine
    /// and be no cheat itself. The one that has read most of it and found nothing, so that its
    /// tests come to an end; a reader that accused it is not asked any more.
    private Optional<Market.Listing> reader(Suspect suspect, Model model) {
      List<Market.Listing> may = new ArrayList<>();
      Set<Address> accusers = new HashSet<>();
      Map<Address, Long> audits = new LinkedHashMap<>();
      known
          .notes(suspect)
          .forEach(n -> {
            audits.put(n.reader(), n.audits());
            if (n.standing() == Standing.CHEATING) {
              accusers.add(n.reader());
            }
          });
      for (Market.Listing l : listings(model.manifest())) {
        Address who = l.offer().provider();
        boolean room = audits.containsKey(who) || audits.size() < Limits.AUDIT_READERS;
        if (!who.equals(suspect.provider())
            && room
            && !accusers.contains(who)
            && l.live().reachable()
            && canAudit(l.model(), l.offer())
            && known.standing(new Suspect(who, suspect.model())) != Standing.CHEATING) {
          may.add(l);
        }
      }
      return may.stream()
          .max(
              Comparator.comparingLong(
                      (Market.Listing l) -> audits.getOrDefault(l.offer().provider(), 0L))
                  .thenComparing(Market.Listing::offerHash));
    }

    private List<Market.Listing> listings(Hash model) {
      return market.catalog().listings().getOrDefault(model, List.of());
    }

    /// Asks a provider as a consumer would, and pays.
    private boolean ask(Errand errand, Suspect whom, Request like, byte[] body, long mostTokens)
        throws PoolMill.Unavailable {
      Optional<Market.Listing> listing =
          listings(whom.model()).stream()
              .filter(l -> l.offer().provider().equals(whom.provider()) && l.live().reachable())
              .findFirst();
      boolean reading = errand instanceof Errand.Reading;
      if (listing.isEmpty()
          || underWay.size() >= MarketLimits.WAITING_AUDITS
          || (!reading && standing(whom.provider(), whom.model()) == Standing.CHEATING)) {
        return false;
      }
      Market.Listing l = listing.get();
      Request request =
          new Request(
              name(),
              reading ? Api.COMPLETION : Api.CHAT,
              whom.model(),
              body,
              !reading && like.stream());
      Optional<Address> payer = purse.pay(market.mostCharge(l.offer(), request, mostTokens));
      if (payer.isEmpty()) {
        return false;
      }
      UnderWay mine = new UnderWay(errand, payer.get());
      underWay.put(request.id(), mine);
      Market.Placed placed =
          market.ask(
              new Market.Caller(payer.get(), "audits"),
              l,
              request,
              mostTokens,
              false,
              new Ear(mine, request, l, mostTokens));
      if (placed instanceof Market.Placed.Running running) {
        mine.cancel = running.cancel();
        return true;
      }
      underWay.remove(request.id());
      return false;
    }

    private void heard(Errand errand, Answered a) throws PoolMill.Unavailable {
      switch (errand) {
        case Errand.Known(Expected expected) -> {
          Optional<Transcript> said = transcript(a);
          if (said.isPresent()) {
            weigh(a, pool, AuditKind.CANARY, expected.canary.check(said.get().output()));
          }
        }
        case Errand.Again(Transcript first, Optional<Evidence> found) -> {
          Optional<Transcript> said = transcript(a);
          if (said.isEmpty()) {
            return;
          }
          int[] one = first.output();
          int[] two = said.get().output();
          if (found.isPresent()) {
            weigh(a, pool, AuditKind.ANEW, Audit.copy(one, found.get(), two));
          } else {
            weigh(a, pool, AuditKind.REPEAT, Audit.repeat(one, two));
          }
        }
        case Errand.Probe() -> {
          Optional<GgufTokens> tokens = tokens(a.model);
          Optional<Transcript> said = tokens.flatMap(t -> transcript(a, t));
          Optional<Market.Listing> reader = reader(a.suspect(), a.model);
          if (tokens.isPresent() && said.isPresent() && reader.isPresent()) {
            weigh(a, pool, AuditKind.READ, Audit.claimed(said.get()));
            ask(
                new Errand.Reading(a.suspect(), said.get(), tokens.get()),
                new Suspect(reader.get().offer().provider(), a.offer.model()),
                a.request,
                EchoReading.body(AuditQuestion.model(a.request.body()), said.get()),
                1);
          }
        }
        case Errand.Reading(Suspect suspect, Transcript transcript, GgufTokens tokens) -> {
          Optional<Evidence> evidence =
              a.whole().flatMap(whole -> EchoReading.evidence(transcript, whole, tokens));
          if (evidence.isPresent()) {
            weigh(
                suspect,
                a.model,
                a.offer.provider(),
                AuditKind.READ,
                transcript.requestId(),
                evidence.get());
          }
        }
      }
    }

    private void weigh(Answered a, Address reader, AuditKind kind, Evidence evidence)
        throws PoolMill.Unavailable {
      weigh(a.suspect(), a.model, reader, kind, a.request.id(), evidence);
    }

    private void weigh(
        Suspect suspect,
        Model model,
        Address reader,
        AuditKind kind,
        String requestId,
        Evidence evidence)
        throws PoolMill.Unavailable {
      Standing before = known.standing(suspect);
      Standing after = known.weigh(suspect, reader, kind, requestId, evidence);
      if (after != before && after == Standing.CHEATING) {
        LOG.log(
            System.Logger.Level.WARNING,
            "provider "
                + suspect.provider()
                + " does not serve "
                + model.fullName()
                + " as it sells it and gets no more requests for it: "
                + known.why(suspect));
      }
    }
  }

  /// Hears the end of an errand. Chats come through [#answered], which knows the claim; here is
  /// what does not come there.
  private final class Ear implements Market.Receiver {
    private final UnderWay mine;
    private final Request request;
    private final Market.Listing listing;
    private final long mostTokens;
    private final List<byte[]> parts = new ArrayList<>();
    private long bytes;

    Ear(UnderWay mine, Request request, Market.Listing listing, long mostTokens) {
      this.mine = mine;
      this.request = request;
      this.listing = listing;
      this.mostTokens = mostTokens;
    }

    @Override
    public void part(byte[] json) {
      bytes += json.length;
      if (request.api() == Api.COMPLETION && bytes <= MarketLimits.AUDIT_READING_BYTES) {
        parts.add(json);
      }
    }

    @Override
    public void done(Market.Bill bill) {
      if (underWay.remove(request.id(), mine)) {
        boolean _ =
            work.offer(
                new Work.Heard(
                    mine.errand,
                    new Answered(
                        mine.payer,
                        listing.model(),
                        listing.offer(),
                        request,
                        List.copyOf(parts),
                        Claim.NONE,
                        mostTokens)));
      }
    }

    @Override
    public void failed(Failure failure, Market.Bill bill) {
      underWay.remove(request.id(), mine);
    }
  }

  private String name() {
    return RequestName.fresh(random);
  }

  @Override
  public void close() {
    closing = true;
    Thread started = thread;
    if (started != null) {
      started.interrupt();
    }
  }
}
