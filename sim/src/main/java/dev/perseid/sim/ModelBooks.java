package dev.perseid.sim;

import dev.perseid.core.Address;
import dev.perseid.core.AuditNote;
import dev.perseid.core.Blob;
import dev.perseid.core.Entry;
import dev.perseid.core.Event;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Hash;
import dev.perseid.core.Inference;
import dev.perseid.core.Model;
import dev.perseid.core.ModelOffer;
import dev.perseid.core.ModelOrder;
import dev.perseid.core.ModelView;
import dev.perseid.core.Outcome;
import dev.perseid.core.Pool;
import dev.perseid.core.SignedModelOffer;
import dev.perseid.core.Standing;
import dev.perseid.core.TokenPrice;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/// The part of the auditor's books that is about models: who published and offers what, what is on
/// tabs, and who gets what of each charge.
final class ModelBooks {
  /// Where the auditor counts what accounts have.
  interface Accounts {
    void move(Address account, long amount);

    long balance(Address account);

    /// A part of a charge goes to who earned it.
    void earned(Address account, long amount);
  }

  private static final BigInteger MILLION = BigInteger.valueOf(1_000_000);

  private final Address self;
  private final Auditor.Notary notary;
  private final Accounts accounts;
  private final Map<Hash, Model> models = new TreeMap<>();
  private final Map<String, Address> owners = new TreeMap<>();
  private final Set<String> fullNames = new TreeSet<>();
  private final Set<Hash> withdrawn = new TreeSet<>();
  private final Map<Hash, ModelOffer> offers = new TreeMap<>();
  private final Map<Address, List<SignedModelOffer>> inForce = new TreeMap<>();
  private final Map<Address, Long> tabs = new TreeMap<>();
  private final Map<Hash, Address> keys = new TreeMap<>();
  private final Map<Hash, Long> spent = new TreeMap<>();
  private final Map<Long, ModelOrder> orders = new TreeMap<>();
  private final Map<Word, AuditNote> words = new TreeMap<>();
  private final Set<Address> purses = new TreeSet<>();
  private final Set<Long> recorded = new HashSet<>();
  private long paid;
  private long earned;

  ModelBooks(Address self, Auditor.Notary notary, Accounts accounts) {
    this.self = self;
    this.notary = notary;
    this.accounts = accounts;
  }

  /// The pool placed a request with a provider.
  void placed(ModelOrder order) {
    orders.put(order.number(), order);
  }

  /// Whether the durable log has the record of this request.
  boolean isRecorded(long number) {
    return recorded.contains(number);
  }

  /// How many requests are recorded.
  long recorded() {
    return recorded.size();
  }

  /// What consumers paid for requests.
  long paid() {
    return paid;
  }

  boolean isWithdrawn(Hash manifest) {
    return withdrawn.contains(manifest);
  }

  /// The published version of this manifest.
  Optional<Model> model(Hash manifest) {
    return Optional.ofNullable(models.get(manifest));
  }

  /// Whether this version of this name is published.
  boolean isPublished(Model model) {
    return model.equals(models.get(model.manifest()));
  }

  /// What is offered now.
  List<SignedModelOffer> inForce() {
    return inForce.values().stream().flatMap(List::stream).toList();
  }

  /// Who has something on a tab.
  List<Address> tabs() {
    return List.copyOf(tabs.keySet());
  }

  void published(Event.ModelPublished e) {
    Model m = e.model();
    signed("model " + m.fullName(), notary.digest(m), e.modelHash(), m.author(), e.signature());
    Address owner = owners.putIfAbsent(m.name(), m.author());
    if (owner != null && !owner.equals(m.author())) {
      throw new Violation("the model name " + m.name() + " was taken from " + owner);
    }
    if (!fullNames.add(m.fullName()) || models.put(m.manifest(), m) != null) {
      throw new Violation("model " + m.fullName() + " was published twice");
    }
  }

  void withdrawn(Event.ModelWithdrawn e) {
    if (!models.containsKey(e.manifest()) || !withdrawn.add(e.manifest())) {
      throw new Violation("model " + e.manifest() + " was withdrawn twice or never published");
    }
    inForce.replaceAll(
        (_, now) -> now.stream().filter(o -> !o.offer().model().equals(e.manifest())).toList());
    inForce.values().removeIf(List::isEmpty);
  }

  void offered(Event.ModelsOffered e) {
    Set<Hash> seen = new HashSet<>();
    for (SignedModelOffer s : e.offers()) {
      ModelOffer o = s.offer();
      signed("offer of " + o.model(), notary.digest(o), s.hash(), e.provider(), s.signature());
      Model m = models.get(o.model());
      if (m == null
          || withdrawn.contains(o.model())
          || !seen.add(o.model())
          || o.royaltyPermille() < m.royaltyPermille()) {
        throw new Violation(
            "provider " + e.provider() + " offers model " + o.model() + ", which it may not");
      }
      offers.put(s.hash(), o);
    }
    if (e.offers().isEmpty()) {
      inForce.remove(e.provider());
    } else {
      inForce.put(e.provider(), e.offers());
    }
  }

  /// The provider has joined again, drains or is gone.
  void offersNothing(Address provider) {
    inForce.remove(provider);
  }

  void filled(Event.TabFilled e) {
    accounts.move(e.consumer(), -e.amount());
    if (e.amount() <= 0 || accounts.balance(e.consumer()) < 0) {
      throw new Violation("the tab of " + e.consumer() + " was filled with " + e.amount());
    }
    tabs.merge(e.consumer(), e.amount(), Math::addExact);
  }

  void emptied(Event.TabEmptied e) {
    Long had = tabs.remove(e.consumer());
    if (had == null || had != e.amount()) {
      throw new Violation(
          "the tab of " + e.consumer() + " returned " + e.amount() + " and had " + had);
    }
    accounts.move(e.consumer(), e.amount());
  }

  void keyMade(Address account, Hash keyHash) {
    if (keys.put(keyHash, account) != null) {
      throw new Violation("an API key was made twice");
    }
  }

  void keyMade(Event.ScopedKeyMade e) {
    keyMade(e.account(), e.keyHash());
    spent.put(e.keyHash(), 0L);
  }

  void keySpent(Event.ApiKeySpent e) {
    for (Hash key : e.keys()) {
      if (spent.computeIfPresent(key, (k, sum) -> sum + e.amount()) == null) {
        throw new Violation("a request was counted on an API key that has no limit");
      }
    }
  }

  void keyRevoked(Event.ApiKeyRevoked e) {
    spent.remove(e.keyHash());
    if (keys.remove(e.keyHash()) == null) {
      throw new Violation("an API key was revoked that nobody has");
    }
  }

  /// What is known by audits of a provider's serving of a model, on one reader's word.
  record Word(Address provider, Hash model, Address reader) implements Comparable<Word> {
    private static final Comparator<Word> ORDER =
        Comparator.comparing(Word::provider).thenComparing(Word::model).thenComparing(Word::reader);

    @Override
    public int compareTo(Word other) {
      return ORDER.compare(this, other);
    }
  }

  /// The newest note on that word, if there is one.
  Optional<AuditNote> newest(Word word) {
    return Optional.ofNullable(words.get(word));
  }

  void audited(AuditNote note) {
    AuditNote before = words.put(new Word(note.provider(), note.model(), note.reader()), note);
    if (note.audits() != (before == null ? 1 : before.audits() + 1)) {
      throw new Violation("audit " + note.audits() + " of " + note.provider() + " is out of turn");
    }
    if (before != null && before.standing() == Standing.CHEATING) {
      throw new Violation("provider " + note.provider() + " was caught and is weighed again");
    }
    if (note.reader().equals(note.provider()) || !models.containsKey(note.model())) {
      throw new Violation("an audit of a provider by itself, or of a model that is not there");
    }
  }

  void auditsFunded(Event.AuditsFunded e) {
    accounts.move(self, -e.amount());
    accounts.move(e.account(), e.amount());
    if (e.amount() <= 0 || accounts.balance(self) < 0) {
      throw new Violation("audits were funded with " + e.amount());
    }
    purses.add(e.account());
  }

  void auditsClosed(Event.AuditsClosed e) {
    if (!purses.remove(e.account()) || accounts.balance(e.account()) != e.amount()) {
      throw new Violation("the account of audits " + e.account() + " returned " + e.amount());
    }
    accounts.move(e.account(), -e.amount());
    accounts.move(self, e.amount());
  }

  private void signed(String what, Hash digest, Hash said, Address by, String signature) {
    if (!digest.equals(said) || !notary.signer(digest, signature).equals(Optional.of(by))) {
      throw new Violation(what + " is not signed by " + by);
    }
  }

  /// A request is recorded and paid.
  ///
  /// @return what its provider gets
  long recorded(Entry entry) {
    ExecutionRecord r = entry.record();
    String what = "request " + r.lease();
    Inference i =
        r.inference().orElseThrow(() -> new Violation(what + " has a record without inference"));
    if (!recorded.add(r.lease())) {
      throw new Violation(what + " was recorded twice");
    }
    ModelOrder order = orders.get(r.lease());
    if (order == null) {
      throw new Violation(what + " was recorded and never placed");
    }
    ModelOffer offer = offers.get(r.offer());
    if (offer == null) {
      throw new Violation(what + " names an offer that nobody made");
    }
    Model model = models.get(offer.model());
    if (model == null) {
      throw new Violation(what + " names a model that nobody published");
    }
    follows(what, r, i, order, offer, model);
    long owed =
        entry.attestation() instanceof Entry.Attestation.Signed && isBilled(r.outcome(), i)
            ? Math.min(order.maxCharge(), price(offer.price(), i))
            : 0;
    if (r.charge() != owed) {
      throw new Violation(what + " cost " + r.charge() + " and should cost " + owed);
    }
    if (i.toAuthor() != permille(owed, offer.royaltyPermille())
        || i.toPool() != permille(owed, offer.poolPermille())) {
      throw new Violation(
          what
              + " gives "
              + i.toAuthor()
              + " to the author and "
              + i.toPool()
              + " to the pool, which is not how its offer divides "
              + owed);
    }
    long toProvider = owed - i.toAuthor() - i.toPool();
    if (owed > 0) {
      long had = tabs.getOrDefault(r.consumer(), 0L);
      if (had < owed || toProvider < 0) {
        throw new Violation(what + " costs " + owed + " and there is " + had + " on the tab");
      }
      tabs.put(r.consumer(), had - owed);
      accounts.earned(r.provider(), toProvider);
      accounts.earned(i.author(), i.toAuthor());
      accounts.earned(self, i.toPool());
    }
    paid += owed;
    earned += toProvider + i.toAuthor() + i.toPool();
    return toProvider;
  }

  private void follows(
      String what,
      ExecutionRecord r,
      Inference i,
      ModelOrder order,
      ModelOffer offer,
      Model model) {
    boolean same =
        r.pool().equals(self)
            && r.taskName().equals(order.requestId())
            && r.kind().equals(model.fullName())
            && r.consumer().equals(order.consumer())
            && r.provider().equals(offer.provider())
            && r.offer().equals(order.offer())
            && r.module().equals(model.manifest())
            && r.argsHash().equals(order.request().hash())
            && r.submittedUs() == order.submittedUs()
            && r.assignedUs() == order.assignedUs()
            && i.api().equals(order.api())
            && i.quantisation().equals(offer.quantisation())
            && i.author().equals(model.author());
    if (!same) {
      throw new Violation(what + ": the record does not follow from the order: " + r);
    }
    if (i.promptTokens() < 0
        || i.cachedTokens() < 0
        || i.cachedTokens() > i.promptTokens()
        || i.completionTokens() < 0
        || i.rows() < 0) {
      throw new Violation(what + " counts what cannot be: " + i);
    }
    if (r.outputs().stream().map(Blob::sizeBytes).anyMatch(n -> n < 0)) {
      throw new Violation(what + " has an answer of negative size");
    }
  }

  private static boolean isBilled(Outcome outcome, Inference i) {
    return switch (outcome) {
      case DONE -> true;
      case CANCELLED -> i.completionTokens() > 0;
      case TASK_FAILED, PROVIDER_FAILED, LOST, REFUSED -> false;
    };
  }

  private static long price(TokenPrice p, Inference i) {
    return up(p.perMillionPrompt(), i.promptTokens() - i.cachedTokens())
        .add(up(p.perMillionCached(), i.cachedTokens()))
        .add(up(p.perMillionCompletion(), i.completionTokens()))
        .add(up(p.perMillionRows(), i.rows()))
        .add(up(p.perMillionRequests(), 1))
        .min(BigInteger.valueOf(Long.MAX_VALUE))
        .longValueExact();
  }

  private static BigInteger up(long price, long count) {
    return BigInteger.valueOf(price)
        .multiply(BigInteger.valueOf(count))
        .add(MILLION.subtract(BigInteger.ONE))
        .divide(MILLION);
  }

  private static long permille(long charge, int permille) {
    return BigInteger.valueOf(charge)
        .multiply(BigInteger.valueOf(permille))
        .divide(BigInteger.valueOf(1_000))
        .longValueExact();
  }

  /// What is on all tabs.
  long onTabs() {
    long sum = 0;
    for (long tab : tabs.values()) {
      if (tab < 0) {
        throw new Violation("a tab has " + tab);
      }
      sum += tab;
    }
    if (paid != earned) {
      throw new Violation("consumers paid " + paid + " and " + earned + " was earned");
    }
    return sum;
  }

  long tab(Address consumer) {
    return tabs.getOrDefault(consumer, 0L);
  }

  /// The pool believes what is counted here.
  void compare(Pool pool) {
    List<ModelView> views = pool.models();
    List<Hash> gone = new ArrayList<>();
    for (ModelView v : views) {
      if (!isPublished(v.model())) {
        throw new Violation("the pool lists " + v.model().fullName() + ", which nobody published");
      }
      if (v.withdrawn()) {
        gone.add(v.model().manifest());
      }
    }
    if (views.size() != models.size() || !withdrawn.equals(new TreeSet<>(gone))) {
      throw new Violation("the pool lists " + views.size() + " of " + models.size() + " models");
    }
    if (!pool.modelOffers().equals(inForce())) {
      throw new Violation("the pool offers other models than its log says");
    }
    if (!pool.tabs().equals(tabs())) {
      throw new Violation("the pool has tabs of others than its log says");
    }
    tabs.forEach((who, amount) -> Auditor.equal("the tab of " + who, pool.tab(who), amount));
    if (!new HashSet<>(pool.audited()).equals(new HashSet<>(words.values()))
        || !pool.auditAccounts().equals(List.copyOf(purses))) {
      throw new Violation("the pool knows other things by audits than its log says");
    }
    Auditor.equal("API keys", pool.apiKeys(null).size(), keys.size());
    spent.forEach((key, sum) ->
        Auditor.equal("spent with an API key", pool.apiKey(key).orElseThrow().spent(), sum));
    keys.forEach((key, who) -> {
      if (!pool.apiKey(key).map(k -> k.account().equals(who)).orElse(false)) {
        throw new Violation("the pool does not know an API key of " + who);
      }
    });
  }
}
