package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.settle.Key;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/// Signs a consumer's vouchers to one pool as its work proceeds: with one key, for one pool, under
/// terms that do not change, and never for more than what receipts prove was spent plus a stated
/// window. So whatever a pool does, it costs the consumer at most the window.
///
/// Safe for any thread; its methods ask the pool and block while they do.
public final class Wallet {
  /// Rungs of one promise to pay ahead: the pool collects the highest that was used.
  static final int RUNGS = 16;

  /// What is done between two looks.
  interface Pause {
    void rest() throws InterruptedException;
  }

  /// What a wallet asks of a pool.
  public interface Counter {
    /// The consumer's own purse.
    PurseState purse() throws PoolFailure;

    /// Hands a voucher in.
    void pay(long cumulative, String signature) throws PoolFailure;

    /// The charges of the consumer's from movement `number` on whose receipts hold, each counted
    /// once however often it is shown.
    ///
    /// @param all whether to count old work too; else only what was begun since this counter was
    ///   made, so that a pool cannot show receipts again that were paid long ago
    Proved proved(long number, boolean all) throws PoolFailure;
  }

  /// What receipts prove.
  ///
  /// @param charged the sum, microcredits
  /// @param next number of the movement after the last that was looked at
  public record Proved(long charged, long next) {}

  /// What a look at the purse led to.
  public sealed interface Look {
    /// Nothing waits for a voucher.
    record Enough() implements Look {}

    /// A voucher was signed.
    record Signed(long cumulative) implements Look {}

    /// The pool wants more than may be signed.
    ///
    /// @param why and what would help
    record Lacking(String why) implements Look {}
  }

  private final Counter counter;
  private final Key key;
  private final VoucherTerms terms;
  private final Consumer<String> notices;

  /// Spent as far as it is proved.
  private long proved;

  private long next;
  private long highest;
  private String said = "";

  private Wallet(Counter counter, Key key, VoucherTerms terms, Consumer<String> notices) {
    this.counter = counter;
    this.key = key;
    this.terms = terms;
    this.notices = notices;
  }

  /// Opens a wallet for a purse.
  ///
  /// @param pool the key that the pool proved
  /// @param expected the terms that the consumer agreed to before, if it did
  /// @param notices gets a line for people when something cannot be signed
  /// @throws PoolFailure if the pool does not answer, or wants signatures for something else
  public static Wallet open(
      Counter counter,
      Key key,
      Address pool,
      Optional<VoucherTerms> expected,
      Consumer<String> notices)
      throws PoolFailure {
    PurseState now = counter.purse();
    VoucherTerms terms = now.terms();
    if (!now.consumer().equals(key.address())) {
      throw refused("the pool shows the purse of " + now.consumer() + ", not of " + key.address());
    }
    if (expected.isPresent() && !sameDomain(expected.get(), terms)) {
      throw refused(
          "this pool's vouchers were for "
              + domain(expected.get())
              + " and now it wants them for "
              + domain(terms)
              + ": ask its operator; if it is right, write `perseid voucher --accept`");
    }
    if (expected.isEmpty() && !terms.identity().equals(pool)) {
      throw refused(
          "this pool wants vouchers for the identity "
              + terms.identity()
              + ", which is not its own key: check at the registry that it is this pool's"
              + " (`perseid chain identity`), then write `perseid voucher --accept`");
    }
    Wallet wallet = new Wallet(counter, key, terms, notices);
    wallet.begin(now);
    return wallet;
  }

  private static PoolFailure refused(String why) {
    return new PoolFailure(PoolFailure.Kind.REFUSED, "TERMS", why);
  }

  private static boolean sameDomain(VoucherTerms a, VoucherTerms b) {
    return a.chainId() == b.chainId()
        && a.contract().equals(b.contract())
        && a.identity().equals(b.identity());
  }

  private static String domain(VoucherTerms t) {
    return t.escrow()
        ? "chain " + t.chainId() + ", contract " + t.contract() + ", identity " + t.identity()
        : "its own log";
  }

  private synchronized void begin(PurseState now) throws PoolFailure {
    highest = own(now);
    if (now.spent() == 0) {
      next = now.nextMovement();
      return;
    }
    // That a voucher covers it proves nothing: vouchers are a window ahead of what was proved, and
    // each new wallet would grant another one.
    Proved all = counter.proved(0, true);
    // The purse may have been charged while its receipts were fetched, and each counts only once.
    proved = Math.min(counter.purse().spent(), all.charged());
    next = all.next();
  }

  /// The highest voucher that the pool shows, if it is really this key's.
  private long own(PurseState now) throws PoolFailure {
    if (now.signed() == 0) {
      return 0;
    }
    if (!Key.verify(terms.digest(key.address(), now.signed()), now.signature(), key.address())) {
      throw refused(
          "the pool shows a voucher of " + now.signed() + " microcredits that you never signed");
    }
    return now.signed();
  }

  /// What vouchers are signed for.
  public VoucherTerms terms() {
    return terms;
  }

  /// Looks at the purse, and signs if something waits for it and the window allows it.
  ///
  /// @param window how much may be owed beyond what is proved, microcredits
  public synchronized Look tend(PurseState now, long window) throws PoolFailure {
    if (!terms.vouched() || (now.wanted() == 0 && now.inFlight() == 0)) {
      return new Look.Enough();
    }
    check(now);
    long most = Math.min(sum(proved(now), window), now.funded());
    boolean waits = now.wanted() > now.signed();
    if (!waits && now.free() >= window / 2) {
      return new Look.Enough();
    }
    if (most > now.signed() && (!waits || most >= now.wanted())) {
      return pay(most);
    }
    if (!waits) {
      return new Look.Enough();
    }
    Look.Lacking lacking = lacking(now, now.wanted(), window);
    if (!lacking.why().equals(said)) {
      said = lacking.why();
      notices.accept(said);
    }
    return lacking;
  }

  /// Makes sure that `amount` more can be spent at once, signing if it must. What is lacking may
  /// not be needed: the pool may have set money aside that nothing uses yet.
  ///
  /// @param window how much may be owed beyond what is proved; `amount` at least
  public synchronized Look cover(PurseState now, long amount, long window) throws PoolFailure {
    if (!terms.vouched() || now.free() >= amount) {
      return new Look.Enough();
    }
    check(now);
    long wanted = sum(now.spent() + now.inFlight() - now.prepaid(), amount);
    long most = Math.min(sum(proved(now), Math.max(window, amount)), now.funded());
    return most >= wanted && most > now.signed() ? pay(most) : lacking(now, wanted, window);
  }

  private Look.Lacking lacking(PurseState now, long wanted, long window) throws PoolFailure {
    String why;
    if (wanted > now.funded()) {
      why =
          "the pool waits for a voucher of "
              + wanted
              + " microcredits, but only "
              + now.funded()
              + " were put into the purse: put in more"
              + (terms.escrow() ? " (perseid chain deposit)" : "");
    } else {
      why =
          "the pool waits for a voucher of "
              + wanted
              + " microcredits; "
              + now.spent()
              + " were spent, "
              + proved(now)
              + " of them proved by receipts, and you allow "
              + window
              + " beyond: write a larger --window, or sign it with `perseid voucher --up-to`";
    }
    return new Look.Lacking(why);
  }

  /// Promises the whole of `amount` beyond what is spent, in steps, for work that goes on while the
  /// consumer is away; and beyond what the pool says is under way, as far as the window goes.
  ///
  /// @param window how much may be owed beyond what is proved, apart from `amount`
  /// @return the highest voucher
  /// @throws PoolFailure if less is proved than the pool says was spent: it would be promised twice
  public synchronized long prepay(PurseState now, long amount, long window) throws PoolFailure {
    check(now);
    long sure = allProved(now);
    long ahead = Math.min(now.inFlight(), window);
    if (ahead < now.inFlight()) {
      notices.accept(
          "the pool says that "
              + now.inFlight()
              + " microcredits are under way, of which you allow "
              + window
              + ": if work waits for a voucher later, write a larger --window");
    }
    long from = sum(sure, ahead);
    long top = sum(from, amount);
    if (top > now.funded()) {
      throw refused(
          top
              + " microcredits would be owed in all, but only "
              + now.funded()
              + " were put into the purse: put in more, or prepay less");
    }
    // The lowest first, so that one that is refused leaves a shorter ladder and not a gap.
    for (int rung = 1; rung <= RUNGS; rung++) {
      long cumulative = from + (amount / RUNGS) * rung + (amount % RUNGS) * rung / RUNGS;
      if (cumulative > Math.max(now.spent(), now.redeemed())
          && (rung == RUNGS || cumulative < top)) {
        pay(cumulative);
      }
    }
    return top;
  }

  /// Signs exactly what was spent, as far as it is proved, so that the pool can collect it: to be
  /// called when work is over. The last receipts may come a moment after the work is done, or more,
  /// if the pool has much to do: they are waited for as long as some come.
  public void conclude() throws PoolFailure, InterruptedException {
    conclude(() -> TimeUnit.MILLISECONDS.sleep(MoneyLimits.LAST_LOOK_MS));
  }

  synchronized void conclude(Pause pause) throws PoolFailure, InterruptedException {
    PurseState now = counter.purse();
    if (!terms.vouched()) {
      return;
    }
    check(now);
    long sure = proved(now);
    int quiet = 0;
    for (int look = 1; sure < now.spent() && look < MoneyLimits.LAST_LOOKS; look++) {
      if (quiet >= MoneyLimits.QUIET_LOOKS) {
        break;
      }
      pause.rest();
      now = counter.purse();
      check(now);
      long more = proved(now);
      quiet = more > sure ? 0 : quiet + 1;
      sure = more;
    }
    long spent = Math.min(sure, now.funded());
    if (spent < now.spent()) {
      notices.accept(
          "the pool says that "
              + now.spent()
              + " microcredits were spent, and its receipts prove "
              + spent
              + " so far: the last voucher is not signed; what is owed is signed for with the next"
              + " work, or by `perseid voucher --up-to`");
    } else if (spent > now.redeemed() && spent < now.signed()) {
      pay(spent);
    }
  }

  /// Signs a voucher that the user asked for in so many words.
  public synchronized void signUpTo(long cumulative) throws PoolFailure {
    pay(cumulative);
  }

  /// Signs for `amount` more than was spent.
  ///
  /// @throws PoolFailure if less is proved than the pool says was spent
  public synchronized void signMore(PurseState now, long amount) throws PoolFailure {
    check(now);
    pay(sum(allProved(now), amount));
  }

  /// What was spent, if receipts prove all of it.
  private long allProved(PurseState now) throws PoolFailure {
    long sure = proved(now);
    if (sure < now.spent()) {
      throw refused(
          "the pool says that "
              + now.spent()
              + " microcredits were spent, and receipts prove only "
              + sure
              + ": nothing is signed on top of that; look at `perseid account --statement`, and if"
              + " it is right sign with `perseid voucher --up-to`");
    }
    return sure;
  }

  private void check(PurseState now) throws PoolFailure {
    if (!sameDomain(terms, now.terms())) {
      throw refused(
          "the pool wants vouchers for "
              + domain(now.terms())
              + " all of a sudden, not for "
              + domain(terms));
    }
    if (now.signed() > highest) {
      // Another program of the same user may have signed; nobody else can have.
      highest = own(now);
    }
  }

  /// What was spent, as far as receipts prove it.
  private long proved(PurseState now) throws PoolFailure {
    if (now.spent() > proved) {
      Proved more = counter.proved(next, false);
      proved = sum(proved, more.charged());
      next = Math.max(next, more.next());
    }
    return Math.min(now.spent(), proved);
  }

  private Look pay(long cumulative) throws PoolFailure {
    counter.pay(cumulative, key.sign(terms.digest(key.address(), cumulative)));
    highest = Math.max(highest, cumulative);
    said = "";
    return new Look.Signed(cumulative);
  }

  private static long sum(long a, long b) {
    return a > Long.MAX_VALUE - b ? Long.MAX_VALUE : a + b;
  }
}
