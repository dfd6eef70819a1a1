package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.Command;
import dev.perseid.core.Hash;
import dev.perseid.core.Money;
import dev.perseid.core.PurseView;
import dev.perseid.core.Rejection;
import dev.perseid.core.Voucher;
import dev.perseid.core.Wanted;
import dev.perseid.gateway.Market;
import dev.perseid.gateway.Till;
import dev.perseid.inference.Request;
import dev.perseid.node.PaymentSlips.Slip;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import java.io.Closeable;
import java.io.IOException;
import java.time.InstantSource;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;

/// Takes payments that come with requests to the pool's gateway: vouchers, and where there is a
/// chain, `exact`. What is taken is in the core's state before a request begins.
///
/// A voucher buys one request: it must be fresh, and cover by itself all that was spent and what
/// the request may cost. So whoever sees one on the way, or later, buys nothing with it. Vouchers
/// of requests that were sent at once may overtake each other within [MarketLimits#OVERTAKING_MS].
final class PoolTill implements Till, ExactDesk.Books, Closeable {
  private static final System.Logger LOG = System.getLogger(PoolTill.class.getName());

  /// How a request is measured: the market's own way.
  interface Scale {
    Size size(Request request, boolean exactly);

    long most(Market.Listing listing, Size size, long maxTokens);
  }

  private static final class Signer {
    /// Vouchers up to here buy nothing.
    long floor = -1;

    /// Those above that did, and when.
    final TreeMap<Long, Long> used = new TreeMap<>();

    void forget(long nowMs) {
      used.entrySet()
          .removeIf(e -> {
            boolean old = nowMs - e.getValue() > MarketLimits.OVERTAKING_MS;
            if (old) {
              floor = Math.max(floor, e.getKey());
            }
            return old;
          });
      while (used.size() > MarketLimits.OVERTAKING) {
        floor = Math.max(floor, used.pollFirstEntry().getKey());
      }
    }
  }

  private final Address self;
  private final PoolMill mill;
  private final Tabs tabs;
  private final Tabs.Core core;
  private final Scale scale;
  private final PaymentTerms terms;
  private final InstantSource clock;
  private final Semaphore vouchers = new Semaphore(MarketLimits.VOUCHERS_AT_ONCE);
  private final Semaphore settling = new Semaphore(MarketLimits.SETTLING_AT_ONCE);
  private final Map<Address, Integer> paying = new HashMap<>();

  /// Payments that the chain took back and the books not yet.
  private final Set<String> reversing = new HashSet<>();

  private final LinkedHashMap<Address, Signer> signers =
      new LinkedHashMap<>(16, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<Address, Signer> eldest) {
          return size() > MarketLimits.SIGNERS;
        }
      };
  private volatile Money money = new Money.Credits(false);
  private volatile List<Way> ways = List.of();
  private volatile Optional<ExactDesk> desk = Optional.empty();
  private volatile boolean closing;

  PoolTill(
      Address self,
      PoolMill mill,
      Tabs tabs,
      Tabs.Core core,
      Scale scale,
      PaymentTerms terms,
      InstantSource clock) {
    this.self = self;
    this.mill = mill;
    this.tabs = tabs;
    this.core = core;
    this.scale = scale;
    this.terms = terms;
    this.clock = clock;
  }

  /// Opens a desk on a chain. May block.
  interface Opener {
    ExactDesk open() throws Vault.Trouble, IOException;
  }

  /// Opens a desk as soon as the chain can be asked.
  void connect(Opener opener) {
    if (!terms.open()) {
      return;
    }
    Thread.ofVirtual()
        .name("opens-payments")
        .start(() -> {
          long pauseMs = MarketLimits.SETTLE_IDLE_MS;
          String told = "";
          while (!closing) {
            try {
              open(opener.open());
              return;
            } catch (Vault.Trouble | IOException e) {
              if (!String.valueOf(e.getMessage()).equals(told)) {
                told = String.valueOf(e.getMessage());
                LOG.log(System.Logger.Level.WARNING, "payments by x402 wait: " + told);
              }
            }
            LockSupport.parkNanos(pauseMs * 1_000_000);
            pauseMs = Math.min(MarketLimits.DESK_PAUSE_MS, 2 * pauseMs);
          }
        });
  }

  /// Takes payments by `exact` from now on, and goes on with what was under way before a restart.
  private void open(ExactDesk fresh) throws IOException {
    synchronized (paying) {
      if (closing) {
        fresh.close();
        return;
      }
      desk = Optional.of(fresh);
    }
    reckon();
    fresh.booked().forEach(this::giveBack);
    fresh.start();
  }

  /// What the pool's money is now. Cheap.
  void reckon(Money now) {
    if (!now.equals(money)) {
      money = now;
      reckon();
    }
  }

  private void reckon() {
    Money now = money;
    if (!terms.open() || !now.isVouched()) {
      ways = List.of();
      return;
    }
    Way.Vouchers first =
        new Way.Vouchers(
            network(now),
            asset(now),
            now.voucherPool(self),
            now.voucherChainId(),
            now.voucherContract(self));
    Optional<Way> second =
        now instanceof Money.Escrow escrow
            ? desk.map(d -> (Way) d.way(terms.exactFee()))
                .filter(w -> w.network().equals("eip155:" + escrow.chainId()))
            : Optional.empty();
    ways = second.isPresent() ? List.of(first, second.get()) : List.of(first);
  }

  /// CAIP-2. Credits live on no chain: their network is the pool, by its address in base 32 (RFC
  /// 4648, lower case), because a reference has at most 32 characters.
  private String network(Money now) {
    return switch (now) {
      case Money.Credits _ -> "perseid:" + base32(self.bytes());
      case Money.Escrow e -> "eip155:" + e.chainId();
    };
  }

  static String base32(byte[] bytes) {
    String alphabet = "abcdefghijklmnopqrstuvwxyz234567";
    StringBuilder out = new StringBuilder();
    long bits = 0;
    int held = 0;
    for (byte b : bytes) {
      bits = bits << 8 | (b & 0xff);
      held += 8;
      while (held >= 5) {
        held -= 5;
        out.append(alphabet.charAt((int) (bits >> held & 31)));
      }
    }
    return out.toString();
  }

  private static String asset(Money now) {
    return switch (now) {
      case Money.Credits _ -> "microcredits";
      case Money.Escrow e -> e.token().toString();
    };
  }

  @Override
  public List<Way> ways() {
    return ways;
  }

  @Override
  public Size size(Request request, boolean exactly) {
    return scale.size(request, exactly);
  }

  @Override
  public long most(Market.Listing listing, Size size, long maxTokens) {
    return scale.most(listing, size, maxTokens);
  }

  @Override
  public void take(Way way, Payment payment, long price, Payee payee) {
    Semaphore room =
        switch (payment) {
          case Payment.Exact _ -> settling;
          case Payment.Voucher _ -> vouchers;
        };
    if (!room.tryAcquire()) {
      payee.refused(busy());
      return;
    }
    Thread.ofVirtual()
        .name("takes-payment")
        .start(() -> {
          try {
            switch (payment) {
              case Payment.Exact exact -> exact(way, exact, price, payee);
              case Payment.Voucher voucher -> voucher(way, voucher, price, payee);
            }
          } catch (PoolMill.Unavailable e) {
            payee.refused(busy());
          } catch (RuntimeException bug) {
            LOG.log(System.Logger.Level.ERROR, "a payment could not be taken", bug);
            payee.refused(busy());
          } finally {
            room.release();
          }
        });
  }

  private static Refusal busy() {
    return Refusal.notNow(
        "unexpected_verify_error",
        "The pool takes as many payments as it can, or is stopping. Nothing was taken: try again in"
            + " a second.");
  }

  // ---- vouchers -------------------------------------------------------------------------------

  private record Known(
      Money money, Optional<PurseView> purse, Wanted wanted, boolean trusted, Tabs.Aside aside) {}

  private void voucher(Way way, Payment.Voucher v, long price, Payee payee)
      throws PoolMill.Unavailable {
    if (!v.pool().equals(way.payTo())) {
      payee.refused(
          Refusal.wrong(
              "invalid_payment_requirements",
              "The voucher is for the pool " + v.pool() + ", not " + way.payTo() + "."));
      return;
    }
    Money now = money;
    Hash digest =
        Digests.voucher(
            now.voucherChainId(),
            now.voucherContract(self),
            v.consumer(),
            now.voucherPool(self),
            v.cumulative());
    // By keys only: a contract could take its word back before the voucher is redeemed.
    if (!Key.verify(digest, v.signature(), v.consumer())) {
      payee.refused(
          Refusal.wrong(
              "invalid_perseid_voucher_signature",
              "The voucher's signature is not by the key of "
                  + v.consumer()
                  + " (an account that has code and no key cannot sign vouchers)."));
      return;
    }
    long nowUs = clock.millis() * 1_000;
    // On the loop's thread what is recorded and what is set aside fit together.
    Known known =
        mill.ask(pool -> {
          Tabs.Aside aside = tabs.aside(v.consumer());
          long more = Math.max(0, price - aside.free());
          return new Known(
              pool.money(),
              pool.purse(v.consumer()),
              pool.wanted(v.consumer(), more),
              pool.trustsVouchers(nowUs),
              aside);
        });
    Tabs.Aside aside = known.aside();
    if (known.purse().isEmpty() || !known.money().equals(now)) {
      payee.refused(
          Refusal.notNow(
              "insufficient_funds",
              v.consumer()
                  + " has nothing at this pool that a voucher could promise: "
                  + fund(now)
                  + "."));
      return;
    }
    PurseView purse = known.purse().get();
    if (purse.leavingAtUs().isPresent() || !known.trusted()) {
      payee.refused(
          Refusal.notNow(
              "perseid_voucher_worthless",
              known.trusted()
                  ? v.consumer() + " is leaving the pool: its vouchers buy nothing any more."
                  : "The pool has not seen the chain for hours, so that vouchers buy nothing now."
                      + " Nothing was taken: try again later."));
      return;
    }
    long spent = purse.spent() + aside.unrecorded();
    Signer signer = signer(v.consumer(), purse.cover());
    long least = Math.max(known.wanted().cumulative(), sum(spent, price));
    Optional<Refusal> refusal = use(signer, v, spent, least);
    if (refusal.isPresent()) {
      payee.refused(refusal.get());
      return;
    }
    PoolLoop.Reply reply =
        mill.command(
            new Command.TakeVoucher(new Voucher(v.consumer(), v.cumulative(), v.signature())));
    switch (reply) {
      case PoolLoop.Reply.Done _ -> {
        tabs.payEach(v.consumer(), clock.millis());
        payee.paid(new OnAccount(v.consumer(), spent, aside.ended()));
      }
      case PoolLoop.Reply.Refused(Rejection why) -> {
        synchronized (signer) {
          signer.used.remove(v.cumulative());
        }
        payee.refused(
            new Refusal(
                why.code() == Rejection.Code.INSUFFICIENT_CREDITS
                    ? "insufficient_funds"
                    : "invalid_perseid_voucher",
                why.message(),
                false,
                false,
                OptionalLong.of(spent),
                OptionalLong.of(least)));
      }
    }
  }

  private Signer signer(Address consumer, long cover) {
    synchronized (signers) {
      Signer signer = signers.computeIfAbsent(consumer, c -> new Signer());
      if (signer.floor < 0) {
        // All that bought anything before are in the core's state, and not above this.
        signer.floor = cover;
      }
      return signer;
    }
  }

  /// Marks a voucher as used, unless it may not be.
  private Optional<Refusal> use(Signer signer, Payment.Voucher v, long spent, long least) {
    synchronized (signer) {
      long nowMs = clock.millis();
      signer.forget(nowMs);
      boolean used = v.cumulative() <= signer.floor || signer.used.containsKey(v.cumulative());
      long highest = signer.used.isEmpty() ? signer.floor : signer.used.lastKey();
      long next = Math.max(least, highest + 1);
      if (used) {
        return Optional.of(
            Refusal.tooLittle(
                "perseid_voucher_already_used",
                "A voucher over "
                    + v.cumulative()
                    + " was used already, or a higher one was: each buys one request. Sign one over "
                    + next
                    + " or more.",
                spent,
                next));
      }
      if (v.cumulative() < least) {
        return Optional.of(
            Refusal.tooLittle(
                "perseid_voucher_too_low",
                "A voucher over "
                    + v.cumulative()
                    + " does not cover it: "
                    + spent
                    + " are spent, and what runs and this request may cost more. Sign one over "
                    + next
                    + " or more.",
                spent,
                next));
      }
      signer.used.put(v.cumulative(), nowMs);
      return Optional.empty();
    }
  }

  private static long sum(long a, long b) {
    return a > Long.MAX_VALUE - b ? Long.MAX_VALUE : a + b;
  }

  private static String fund(Money now) {
    return switch (now) {
      case Money.Credits _ -> "ask its operator for a grant";
      case Money.Escrow e ->
          "deposit for the pool " + e.pool() + " into the escrow " + e.contract();
    };
  }

  /// A request that a voucher pays for.
  private final class OnAccount implements Paid {
    private final Address consumer;
    private final long spentBefore;
    private final long endedBefore;

    OnAccount(Address consumer, long spentBefore, long endedBefore) {
      this.consumer = consumer;
      this.spentBefore = spentBefore;
      this.endedBefore = endedBefore;
    }

    @Override
    public String transaction() {
      return "";
    }

    @Override
    public OptionalLong settled() {
      return OptionalLong.empty();
    }

    @Override
    public OptionalLong spent() {
      // A tab that was forgotten meanwhile counts from 0 again.
      return OptionalLong.of(spentBefore + Math.max(0, tabs.aside(consumer).ended() - endedBefore));
    }

    @Override
    public void over() {}
  }

  // ---- exact ----------------------------------------------------------------------------------

  private void exact(Way way, Payment.Exact exact, long price, Payee payee) {
    Optional<ExactDesk> open = desk;
    if (open.isEmpty()) {
      payee.refused(Refusal.wrong("unsupported_scheme", "Payments by 'exact' are not taken here."));
      return;
    }
    switch (open.get().settle(exact, price, way.fee())) {
      case ExactDesk.Outcome.Refused(Refusal refusal) -> payee.refused(refusal);
      case ExactDesk.Outcome.Settled(Slip slip, Hash transaction) ->
          payee.paid(new Ahead(slip, transaction));
    }
  }

  @Override
  public boolean arrived(Slip slip) {
    Optional<ExactDesk> open = desk;
    if (open.isEmpty()) {
      return false;
    }
    Hash payment = open.get().payment(slip);
    CompletableFuture<PoolLoop.Reply> reply = new CompletableFuture<>();
    synchronized (paying) {
      paying.merge(slip.payer(), 1, Integer::sum);
      core.accept(
          new Command.TakePayment(slip.payer(), slip.value() - slip.fee(), payment),
          reply::complete);
    }
    boolean taken = false;
    try {
      switch (reply.get(PoolLimits.COMMAND_MS, TimeUnit.MILLISECONDS)) {
        case PoolLoop.Reply.Done _ -> taken = true;
        case PoolLoop.Reply.Refused(Rejection why) ->
            LOG.log(
                System.Logger.Level.WARNING,
                "a payment of " + slip.payer() + " is there but not taken: " + why.message());
      }
    } catch (ExecutionException | TimeoutException e) {
      LOG.log(System.Logger.Level.WARNING, "a payment is there; the pool does not take it yet");
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    if (taken) {
      tabs.payEach(slip.payer(), clock.millis());
    } else {
      left(slip.payer());
    }
    return taken;
  }

  @Override
  public void unclaimed(Slip slip) {
    left(slip.payer());
    giveBack(slip);
  }

  @Override
  public void sure(Slip slip) {
    giveBack(slip);
  }

  @Override
  public void reversed(Slip slip) {
    Optional<ExactDesk> open = desk;
    if (open.isEmpty()) {
      return;
    }
    synchronized (paying) {
      if (!reversing.add(slip.name())) {
        return;
      }
    }
    tabs.settle(slip.payer(), clock.millis(), () -> takeBack(open.get(), slip));
  }

  /// Takes back in the books what the chain took back, once nothing of it runs.
  private void takeBack(ExactDesk d, Slip slip) {
    synchronized (paying) {
      if (paying.containsKey(slip.payer())) {
        reversing.remove(slip.name()); // the desk tells it again
        return;
      }
      core.accept(
          new Command.ReversePayment(slip.payer(), d.payment(slip)),
          reply -> {
            if (reply instanceof PoolLoop.Reply.Done) {
              d.over(slip);
              giveBack(slip); // of other payments, if there are any
            }
            synchronized (paying) {
              reversing.remove(slip.name());
            }
          });
    }
  }

  private void left(Address payer) {
    synchronized (paying) {
      paying.computeIfPresent(payer, (_, n) -> n == 1 ? null : n - 1);
    }
  }

  /// Gives back what is left of all that a payer paid ahead, once nothing of it runs.
  private void giveBack(Slip slip) {
    tabs.settle(
        slip.payer(),
        clock.millis(),
        () -> {
          synchronized (paying) {
            if (paying.containsKey(slip.payer())) {
              // Another request of this payer runs; its end gives back what is left of both.
              return;
            }
            if (desk.isPresent() && desk.get().isUnsure(slip.payer())) {
              // It may be reorganised away yet: when that is settled, this is called again.
              return;
            }
            core.accept(
                new Command.ReturnPayment(slip.payer()),
                reply -> {
                  switch (reply) {
                    case PoolLoop.Reply.Done _ -> desk.ifPresent(d -> returned(d, slip.payer()));
                    case PoolLoop.Reply.Refused(Rejection why) -> {
                      if (why.code() == Rejection.Code.OVERLOADED) {
                        giveBack(slip);
                      } else {
                        LOG.log(
                            System.Logger.Level.WARNING,
                            "a payment of "
                                + slip.payer()
                                + " is not given back: "
                                + why.message());
                      }
                    }
                  }
                });
          }
        });
  }

  private void returned(ExactDesk d, Address payer) {
    synchronized (paying) {
      if (!paying.containsKey(payer)) {
        d.booked().stream()
            .filter(s -> s.payer().equals(payer) && s.stage() == PaymentSlips.Stage.SURE)
            .forEach(d::over);
      }
    }
  }

  /// A request that is paid for ahead.
  private final class Ahead implements Paid {
    private final Slip slip;
    private final Hash transaction;

    Ahead(Slip slip, Hash transaction) {
      this.slip = slip;
      this.transaction = transaction;
    }

    @Override
    public String transaction() {
      return "0x" + transaction.hex();
    }

    @Override
    public OptionalLong settled() {
      return OptionalLong.of(slip.value());
    }

    @Override
    public OptionalLong spent() {
      return OptionalLong.empty();
    }

    @Override
    public void over() {
      left(slip.payer());
      giveBack(slip);
    }
  }

  @Override
  public void close() throws IOException {
    Optional<ExactDesk> open;
    synchronized (paying) {
      closing = true;
      open = desk;
      desk = Optional.empty();
      ways = List.of();
    }
    if (open.isPresent()) {
      open.get().close();
    }
  }
}
