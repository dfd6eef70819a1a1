package dev.perseid.sim;

import dev.perseid.core.Address;
import dev.perseid.core.AuditKind;
import dev.perseid.core.AuditNote;
import dev.perseid.core.Blob;
import dev.perseid.core.Command;
import dev.perseid.core.DataPolicy;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Hash;
import dev.perseid.core.Inference;
import dev.perseid.core.Model;
import dev.perseid.core.ModelOffer;
import dev.perseid.core.ModelOrder;
import dev.perseid.core.ModelTask;
import dev.perseid.core.Outcome;
import dev.perseid.core.Rejection;
import dev.perseid.core.Rights;
import dev.perseid.core.Scope;
import dev.perseid.core.Served;
import dev.perseid.core.SignedModelOffer;
import dev.perseid.core.Standing;
import dev.perseid.core.TokenPrice;
import dev.perseid.core.Usage;
import dev.perseid.node.PoolLoop;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// Where models are published, offered, asked and paid for: the authors, the providers' offers, the
/// consumers, and what the pool's process remembers of requests under way, which dies with it. It
/// checks that every answer of the pool is true and that wrong records are refused.
final class Bazaar {
  private static final long MOST_TOKENS = 3_000;
  private static final long MOST_PER_MILLION = 20_000_000;
  private static final int MOST_REQUESTS = 60;
  private static final int MOST_AUDITS = 5;
  private static final int BILL_RECORDS = 8;
  private static final long TICK_US = 300_000;
  private static final long REOFFER_US = 5_000_000;
  private static final int UNSIGNED_PER_MYRIAD = 1_500;
  private static final int WRONG_PER_MYRIAD = 1_500;
  private static final int KINDS_OF_WRONG = 8;

  /// What the pool's process believes of a consumer's tab.
  private static final class Tab {
    long there;
    long held;
    long spent;
    boolean moving;

    long free() {
      return there - held - spent;
    }
  }

  /// A request that the pool placed.
  private record Placed(ModelOrder order, ModelOffer offer, Model model, Tab tab) {
    ExecutionRecord record(Address self, Served served, long maxCharge) {
      ModelOrder o =
          new ModelOrder(
              order.number(),
              order.requestId(),
              order.consumer(),
              order.offer(),
              order.api(),
              order.request(),
              order.submittedUs(),
              order.assignedUs(),
              maxCharge);
      return ExecutionRecord.of(self, o, served, offer, model);
    }
  }

  private record Ended(Placed placed, Served served, ExecutionRecord record) {}

  private static final class OfferState {
    long session = -1;
    int models = -1;
    long askedUs = Long.MIN_VALUE / 2;
  }

  private final Map<Address, Hash> limitedKeys = new TreeMap<>();
  private final Address self;
  private final Address operator;
  private final Seals seals;
  private final Agenda agenda;
  private final Dice dice;
  private final Weather weather;
  private final PoolHost pool;
  private final List<ProviderHost> providers;
  private final Auditor auditor;
  private final Petitions petitions;
  private final List<Address> patrons = new ArrayList<>();
  private final List<Address> authors = new ArrayList<>();
  private final List<Model> published = new ArrayList<>();
  private final Map<Address, OfferState> offered = new TreeMap<>();
  private boolean calm;
  // Stands for a clock that goes on while the process is down.
  private long nextNumber = 1;

  // What the pool's process has in its memory.
  private int life;
  private final Map<Address, Tab> tabs = new TreeMap<>();
  private final Map<Address, List<Ended>> ended = new TreeMap<>();
  private int underWay;

  Bazaar(
      Address self,
      Address operator,
      Seals seals,
      Agenda agenda,
      Dice dice,
      Weather weather,
      PoolHost pool,
      List<ProviderHost> providers,
      Auditor auditor) {
    this.self = self;
    this.operator = operator;
    this.seals = seals;
    this.agenda = agenda;
    this.dice = dice;
    this.weather = weather;
    this.pool = pool;
    this.providers = providers;
    this.auditor = auditor;
    petitions = new Petitions(agenda, dice, pool);
  }

  /// Who asks.
  List<Address> patrons() {
    return List.copyOf(patrons);
  }

  /// Plans what happens in the storm.
  void open() {
    int patronCount = 1 + dice.below(2);
    for (int i = 0; i < patronCount; i++) {
      Address patron = seals.admit(dice.next());
      patrons.add(patron);
      long credits = dice.between(1_000, 2_000_000);
      petitions.insist("grant", i, new Command.Grant(patron, credits, "welcome"), this::isDone);
      keys(patron);
    }
    // Who publishes may be nobody else, also ask, or also serve.
    authors.add(seals.admit(dice.next()));
    authors.add(patrons.getFirst());
    authors.add(providers.getFirst().address());
    int models = 1 + dice.below(3);
    for (int i = 0; i < models; i++) {
      int number = i;
      agenda.after(
          dice.between(10_000, 1 + weather.stormUs() / 3),
          "author publishes",
          i,
          () -> publish(number));
    }
    int requests = 10 + dice.below(MOST_REQUESTS);
    for (int i = 0; i < requests; i++) {
      agenda.after(
          dice.between(weather.stormUs() / 8, weather.stormUs()), "patron asks", i, this::ask);
    }
    tick();
  }

  /// No more requests.
  void calm() {
    calm = true;
  }

  /// How much waits for an answer, requests and filled tabs included.
  int unanswered() {
    return petitions.unanswered() + underWay + auditor.models().tabs().size();
  }

  /// The pool's process has come back: it knows nothing of requests, and empties the tabs.
  void poolStarted() {
    life++;
    tabs.clear();
    ended.clear();
    underWay = 0;
    for (Address owner : auditor.models().tabs()) {
      empty(owner, tabs.computeIfAbsent(owner, _ -> new Tab()));
    }
  }

  private boolean isDone(PoolLoop.Reply reply) {
    return reply instanceof PoolLoop.Reply.Done;
  }

  private static Rejection.@Nullable Code code(PoolLoop.Reply reply) {
    return switch (reply) {
      case PoolLoop.Reply.Done _ -> null;
      case PoolLoop.Reply.Refused r -> r.rejection().code();
    };
  }

  // ---- accounts

  private void keys(Address patron) {
    Hash key = new Hash(dice.next(), dice.next(), dice.next(), dice.next());
    // No die is thrown for it, so that old seeds mean what they meant.
    boolean limited = (key.a() & 1) == 0;
    if (limited) {
      limitedKeys.put(patron, key);
    }
    petitions.insist(
        "key",
        0,
        limited
            ? new Command.MakeScopedKey(
                patron,
                key,
                "a limited key",
                new Rights(
                    EnumSet.of(Scope.INFERENCE),
                    List.of(),
                    OptionalLong.of(key.b() & 0xffff_ffffL),
                    OptionalLong.empty()),
                Rights.ALL,
                Optional.empty())
            : new Command.MakeApiKey(patron, key, "a key"),
        // Where the first answer got lost, the second says that the key is there.
        reply -> isDone(reply) || code(reply) == Rejection.Code.INVALID);
    if (dice.chance(5_000)) {
      boolean asOperator = dice.chance(3_000);
      agenda.after(
          dice.between(20_000_000, 60_000_000),
          "key is revoked",
          0,
          () ->
              petitions.insist(
                  "revoke key",
                  0,
                  new Command.RevokeApiKey(key, asOperator ? operator : patron, asOperator),
                  reply -> isDone(reply) || code(reply) == Rejection.Code.UNKNOWN));
    }
  }

  // ---- authors

  private Model model(Address author, String name, String version) {
    return new Model(
        author,
        name,
        version,
        new Hash(dice.next(), dice.next(), dice.next(), dice.next()),
        ModelTask.CHAT,
        "gguf",
        "q8_0",
        1_000,
        4_096,
        "Apache-2.0",
        dice.chance(2_000) ? 0 : dice.below(501),
        Simulation.EPOCH_US + agenda.nowUs());
  }

  private Command publishing(Model m) {
    Hash digest = seals.model(m);
    return new Command.PublishModel(m, digest, seals.sign(m.author(), digest));
  }

  private void publish(int number) {
    Model m = model(authors.get(dice.below(authors.size())), "model-" + number, "1");
    petitions.insist(
        "publish",
        number,
        publishing(m),
        reply -> {
          boolean gone = auditor.models().isWithdrawn(m.manifest());
          if (code(reply) == Rejection.Code.OVERLOADED) {
            return false;
          }
          if (!isDone(reply) && !gone) {
            throw new Violation("a good model was refused: " + reply);
          }
          if (isDone(reply) && !auditor.models().isPublished(m)) {
            throw new Violation("model " + m.fullName() + " was confirmed and is not in the log");
          }
          published.add(m);
          mischief(m);
          int audits = dice.below(MOST_AUDITS);
          for (int i = 0; i < audits; i++) {
            agenda.after(
                dice.between(1_000_000, 1_000_000 + weather.stormUs()), "audit", i, () -> audit(m));
          }
          return true;
        });
  }

  /// What others try with a model, and what becomes of it.
  private void mischief(Model m) {
    if (dice.chance(4_000)) {
      Address thief = seals.admit(dice.next());
      refused("theft", publishing(model(thief, m.name(), "2")), Rejection.Code.FORBIDDEN);
      refused(
          "withdrawal by a stranger",
          new Command.WithdrawModel(m.manifest(), thief, false),
          Rejection.Code.FORBIDDEN);
    }
    if (dice.chance(4_000)) {
      refused(
          "other content", publishing(model(m.author(), m.name(), "1")), Rejection.Code.INVALID);
    }
    if (dice.chance(2_500)) {
      boolean asOperator = dice.chance(3_000);
      agenda.after(
          dice.between(1_000_000, 1_000_000 + weather.stormUs()),
          "model is withdrawn",
          0,
          () ->
              petitions.insist(
                  "withdraw",
                  0,
                  new Command.WithdrawModel(
                      m.manifest(), asOperator ? operator : m.author(), asOperator),
                  this::isDone));
    }
  }

  /// A provider's serving of a model is audited, by the pool or another provider, and that is paid.
  private void audit(Model m) {
    Address provider = providers.get(dice.below(providers.size())).address();
    Address other = providers.get(dice.below(providers.size())).address();
    Address reader = dice.chance(5_000) || other.equals(provider) ? self : other;
    Optional<AuditNote> before =
        auditor.models().newest(new ModelBooks.Word(provider, m.manifest(), reader));
    boolean caught = dice.chance(1_000);
    AuditNote note =
        new AuditNote(
            provider,
            m.manifest(),
            reader,
            "req_" + dice.below(1_000_000),
            AuditKind.READ,
            List.of(new AuditNote.Weighed("margin", 1 + dice.below(100), dice.below(100))),
            caught ? Standing.CHEATING : Standing.UNDECIDED,
            caught ? "margin" : "",
            before.map(AuditNote::audits).orElse(0L) + 1,
            before.map(AuditNote::tokens).orElse(0L) + dice.below(100),
            List.of(dice.next(), dice.next()));
    petitions.insist(
        "audit",
        0,
        new Command.RecordAudit(note),
        // Where the first answer got lost, or another audit came first, the second is too late.
        reply ->
            isDone(reply)
                || code(reply) == Rejection.Code.STALE
                || code(reply) == Rejection.Code.ENDED);
    Address purse = seals.admit(dice.next());
    petitions.insist(
        "fund audits",
        0,
        new Command.FundAudits(purse, 1, 1 + dice.below(1_000)),
        reply -> {
          if (isDone(reply)) {
            petitions.insist(
                "close audits",
                0,
                new Command.CloseAudits(purse),
                closed -> isDone(closed) || code(closed) == Rejection.Code.UNKNOWN);
          }
          return isDone(reply) || code(reply) == Rejection.Code.INSUFFICIENT_CREDITS;
        });
  }

  private void refused(String what, Command c, Rejection.Code expected) {
    petitions.insist(
        what,
        0,
        c,
        reply -> {
          if (code(reply) == Rejection.Code.OVERLOADED) {
            return false;
          }
          if (code(reply) != expected) {
            throw new Violation(what + " was answered " + reply);
          }
          return true;
        });
  }

  // ---- providers

  /// Every provider that is in says what it serves, once in each session and when there is more.
  private void offer() {
    for (ProviderHost host : providers) {
      OptionalLong session = host.session();
      OfferState state = offered.computeIfAbsent(host.address(), _ -> new OfferState());
      boolean said =
          session.isEmpty()
              || (session.getAsLong() == state.session && state.models == published.size())
              || agenda.nowUs() - state.askedUs < REOFFER_US;
      if (said || published.isEmpty()) {
        continue;
      }
      state.askedUs = agenda.nowUs();
      int models = published.size();
      List<SignedModelOffer> offers = new ArrayList<>();
      for (Model m : published) {
        if (dice.chance(7_000)) {
          offers.add(offer(host, m));
        }
      }
      pool.submit(
          new Command.OfferModels(host.address(), session.getAsLong(), offers, 20),
          reply -> {
            Rejection.Code code = code(reply);
            boolean allGone =
                offers.stream().allMatch(o -> auditor.models().isWithdrawn(o.offer().model()));
            boolean stale = code == Rejection.Code.STALE || code == Rejection.Code.OVERLOADED;
            if (code != null && !stale && !allGone) {
              throw new Violation("good offers of models were refused: " + reply);
            }
            if (!stale) {
              state.session = session.getAsLong();
              state.models = models;
            }
            state.askedUs = Long.MIN_VALUE / 2;
          });
    }
  }

  private SignedModelOffer offer(ProviderHost host, Model m) {
    boolean free = dice.chance(1_000);
    ModelOffer o =
        new ModelOffer(
            host.address(),
            m.manifest(),
            "",
            m.quantisation(),
            "simulated",
            new TokenPrice(perMillion(free), perMillion(free), perMillion(free), 0, 500_000),
            m.royaltyPermille(),
            20 + dice.below(50),
            4,
            4_096,
            DataPolicy.KEEPS_NOTHING,
            Optional.empty(),
            "",
            Simulation.EPOCH_US + agenda.nowUs());
    Hash digest = seals.modelOffer(o);
    return new SignedModelOffer(o, digest, seals.sign(host.address(), digest));
  }

  private long perMillion(boolean free) {
    return free ? 0 : dice.between(0, MOST_PER_MILLION);
  }

  private Optional<ProviderHost> in(Address provider) {
    return providers.stream()
        .filter(p -> p.address().equals(provider) && p.session().isPresent())
        .findFirst();
  }

  // ---- requests

  private void ask() {
    List<SignedModelOffer> offers = auditor.models().inForce();
    if (calm) {
      return;
    }
    if (!pool.isUp() || offers.isEmpty()) {
      agenda.after(dice.skewed(100_000, 5_000_000), "patron asks again", 0, this::ask);
      return;
    }
    SignedModelOffer signed = offers.get(dice.below(offers.size()));
    Model model =
        auditor
            .models()
            .model(signed.offer().model())
            .orElseThrow(() -> new Violation("a model is offered that was never published"));
    Address patron = patrons.get(dice.below(patrons.size()));
    long prompt = dice.between(0, MOST_TOKENS);
    long completion = dice.between(0, MOST_TOKENS);
    TokenPrice price = signed.offer().price();
    long most =
        Math.max(
            price.charge(prompt, 0, completion, 0), price.charge(prompt, prompt, completion, 0));
    long number = nextNumber++;
    ModelOrder order =
        new ModelOrder(
            number,
            "r" + number,
            patron,
            signed.hash(),
            "chat",
            new Blob(new Hash(dice.next(), 0, 0, number), 100),
            pool.wallUs(),
            pool.wallUs(),
            most);
    Tab tab = tabs.computeIfAbsent(patron, _ -> new Tab());
    hold(new Placed(order, signed.offer(), model, tab), prompt, completion);
  }

  /// Holds the most that a request may cost, and places it.
  private void hold(Placed p, long prompt, long completion) {
    int now = life;
    long most = p.order().maxCharge();
    Tab tab = p.tab();
    if (tab.moving) {
      agenda.after(
          50_000,
          "patron waits",
          p.order().number(),
          () -> {
            if (now == life) {
              hold(p, prompt, completion);
            }
          });
      return;
    }
    if (tab.free() >= most) {
      tab.held += most;
      underWay++;
      auditor.models().placed(p.order());
      agenda.after(
          dice.skewed(1_000, 5_000_000),
          "answered",
          p.order().number(),
          () -> {
            if (now == life) {
              served(p, prompt, completion);
            }
          });
      return;
    }
    long amount = (most - tab.free()) * (1 + dice.below(3));
    tab.moving = true;
    pool.submit(
        new Command.FillTab(p.order().consumer(), amount),
        reply -> {
          tab.moving = false;
          if (isDone(reply)) {
            tab.there += amount;
            hold(p, prompt, completion);
          } else if (code(reply) != Rejection.Code.INSUFFICIENT_CREDITS
              && code(reply) != Rejection.Code.UNCOVERED
              && code(reply) != Rejection.Code.OVERLOADED) {
            throw new Violation("a tab could not be filled: " + reply);
          }
        });
  }

  private void served(Placed p, long mostPrompt, long mostCompletion) {
    ModelOrder order = p.order();
    boolean in = in(p.offer().provider()).isPresent();
    int draw = dice.below(100);
    Outcome outcome =
        !in
            ? Outcome.LOST
            : draw < 75
                ? Outcome.DONE
                : draw < 85
                    ? Outcome.CANCELLED
                    : draw < 92 ? Outcome.PROVIDER_FAILED : Outcome.TASK_FAILED;
    long prompt = dice.between(0, mostPrompt);
    long startedUs = order.assignedUs() + dice.between(0, 100_000);
    long firstUs = startedUs + dice.between(0, 100_000);
    boolean answered = outcome == Outcome.DONE || dice.chance(5_000);
    Served served =
        new Served(
            outcome,
            outcome == Outcome.DONE ? "" : "it did not go well",
            in ? OptionalLong.of(startedUs) : OptionalLong.empty(),
            in && answered ? OptionalLong.of(firstUs) : OptionalLong.empty(),
            in ? OptionalLong.of(firstUs + dice.between(0, 100_000)) : OptionalLong.empty(),
            prompt,
            dice.between(0, prompt),
            answered ? dice.between(0, mostCompletion) : 0,
            0,
            Usage.UNMEASURED,
            answered ? new Blob(new Hash(9, 9, 9, order.number()), 10) : Blob.EMPTY);
    ExecutionRecord record = p.record(self, served, order.maxCharge());
    p.tab().held -= order.maxCharge();
    p.tab().spent += record.charge();
    ended
        .computeIfAbsent(p.offer().provider(), _ -> new ArrayList<>())
        .add(new Ended(p, served, record));
  }

  // ---- the pool's books

  private void tick() {
    if (pool.isUp()) {
      offer();
      for (Map.Entry<Address, List<Ended>> e : ended.entrySet()) {
        List<Ended> queue = e.getValue();
        if (!queue.isEmpty()) {
          List<Ended> some = queue.subList(0, Math.min(BILL_RECORDS, queue.size()));
          bill(e.getKey(), List.copyOf(some));
          some.clear();
        }
      }
      for (Map.Entry<Address, Tab> e : tabs.entrySet()) {
        Tab tab = e.getValue();
        boolean idle =
            !tab.moving
                && tab.held == 0
                && tab.spent == 0
                && auditor.models().tabs().contains(e.getKey());
        if (idle && ((calm && underWay == 0) || dice.chance(300))) {
          empty(e.getKey(), tab);
        }
      }
    }
    agenda.after(TICK_US, "bazaar ticks", 0, this::tick);
  }

  private void empty(Address owner, Tab tab) {
    tab.moving = true;
    pool.submit(
        new Command.EmptyTab(owner),
        reply -> {
          tab.moving = false;
          if (isDone(reply)) {
            tab.there = 0;
          } else if (code(reply) == Rejection.Code.OVERLOADED) {
            empty(owner, tab);
          } else {
            throw new Violation("a tab could not be emptied: " + reply);
          }
        });
  }

  /// Asks the provider to sign what it served; records it in the end, signed or not.
  private void bill(Address provider, List<Ended> items) {
    int now = life;
    if (dice.chance(WRONG_PER_MYRIAD)) {
      wrong(provider, items.get(dice.below(items.size())));
    }
    boolean refuses = dice.chance(UNSIGNED_PER_MYRIAD);
    agenda.after(
        dice.between(1_000, 400_000),
        "bill is signed",
        items.getFirst().placed().order().number(),
        () -> {
          if (now == life) {
            boolean signs = !refuses && in(provider).isPresent();
            record(provider, items, signs);
          }
        });
  }

  private void record(Address provider, List<Ended> items, boolean signs) {
    List<ExecutionRecord> records =
        items.stream()
            .map(e -> signs ? e.record() : e.placed().record(self, e.served(), 0))
            .toList();
    pool.submit(
        recording(provider, records, signs),
        reply -> {
          if (code(reply) == Rejection.Code.OVERLOADED) {
            record(provider, items, signs);
            return;
          }
          if (!isDone(reply)) {
            throw new Violation("good records of requests were refused: " + reply);
          }
          for (int i = 0; i < items.size(); i++) {
            Ended e = items.get(i);
            if (!auditor.models().isRecorded(e.record().lease())) {
              throw new Violation(
                  "the record of request "
                      + e.record().lease()
                      + " was confirmed and is not there");
            }
            e.placed().tab().spent -= e.record().charge();
            e.placed().tab().there -= records.get(i).charge();
            underWay--;
          }
        });
  }

  private Command recording(Address provider, List<ExecutionRecord> records, boolean signs) {
    List<Hash> digests = records.stream().map(seals::record).toList();
    Hash batch = seals.batch(self, seals.root(digests), digests.size());
    List<List<Hash>> keys = new ArrayList<>();
    for (ExecutionRecord r : records) {
      Hash key = limitedKeys.get(r.consumer());
      keys.add(key == null ? List.of() : List.of(key));
    }
    return new Command.RecordInferences(
        provider, records, digests, signs ? seals.sign(provider, batch) : "", keys);
  }

  /// A record that no pool may write, though a provider signs it.
  private void wrong(Address provider, Ended e) {
    ExecutionRecord r = e.record();
    Inference i = r.inference().orElseThrow();
    TokenPrice price = e.placed().offer().price();
    long most = price.charge(i.promptTokens(), i.cachedTokens(), i.completionTokens(), i.rows());
    long p = i.promptTokens();
    long c = i.cachedTokens();
    ExecutionRecord bad =
        switch (dice.below(KINDS_OF_WRONG)) {
          case 0 -> changed(r, most + 1, p, c, i.author(), i.toAuthor(), i.toPool());
          case 1 -> changed(r, -1, p, c, i.author(), i.toAuthor(), i.toPool());
          case 2 -> changed(r, r.charge(), p, c, i.author(), i.toAuthor() + 1, i.toPool());
          case 3 -> changed(r, r.charge(), p, c, i.author(), i.toAuthor(), i.toPool() + 1);
          case 4 -> changed(r, r.charge(), p, p + 1, i.author(), i.toAuthor(), i.toPool());
          case 5 -> changed(r, r.charge(), -5, -5, i.author(), i.toAuthor(), i.toPool());
          case 6 -> changed(r, r.charge(), p, -1, i.author(), i.toAuthor(), i.toPool());
          default -> changed(r, r.charge(), p, c, operator, i.toAuthor(), i.toPool());
        };
    pool.submit(
        recording(provider, List.of(bad), true),
        reply -> {
          if (isDone(reply)) {
            throw new Violation("a wrong record of a request was written: " + bad);
          }
        });
  }

  private static ExecutionRecord changed(
      ExecutionRecord r,
      long charge,
      long promptTokens,
      long cachedTokens,
      Address author,
      long toAuthor,
      long toPool) {
    Inference i = r.inference().orElseThrow();
    return r.with(
        charge,
        new Inference(
            i.api(),
            i.quantisation(),
            promptTokens,
            cachedTokens,
            i.completionTokens(),
            i.rows(),
            i.firstTokenUs(),
            author,
            toAuthor,
            toPool));
  }
}
