package dev.perseid.node;

import dev.perseid.chain.ChainException;
import dev.perseid.chain.Escrow;
import dev.perseid.chain.Outbox;
import dev.perseid.chain.Token;
import dev.perseid.core.Address;
import dev.perseid.core.Command;
import dev.perseid.core.Hash;
import dev.perseid.core.Money;
import dev.perseid.core.PurseView;
import dev.perseid.core.Rejection;
import dev.perseid.core.Voucher;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import dev.perseid.settle.TokenAuthorization;
import java.nio.charset.StandardCharsets;
import java.time.InstantSource;
import java.util.Optional;
import java.util.function.LongSupplier;

/// The pool's own purse at its escrow. What was paid ahead lies with the pool's key; it is put into
/// that purse, and the pool signs vouchers for what of it was spent, like anybody. So it comes into
/// the till, out of which those who earned it are paid. Used on one thread.
final class OwnPurse {
  private static final System.Logger LOG = System.getLogger(OwnPurse.class.getName());

  /// How names of its deposits in the outbox begin.
  static final String PREFIX = "x402-bank-";

  private final Key key;
  private final Address identity;
  private final Escrow escrow;
  private final Token.Name token;
  private final Outbox outbox;
  private final PoolMill mill;
  private final InstantSource clock;

  /// @param key the pool's, whose account was paid
  /// @param identity for which pool the purse is
  /// @param token what the escrow holds
  OwnPurse(
      Key key,
      Address identity,
      Escrow escrow,
      Token.Name token,
      Outbox outbox,
      PoolMill mill,
      InstantSource clock) {
    this.key = key;
    this.identity = identity;
    this.escrow = escrow;
    this.token = token;
    this.outbox = outbox;
    this.mill = mill;
    this.clock = clock;
  }

  private record View(Money money, long taken, Optional<PurseView> purse) {}

  /// Signs for what was spent, and sends off what is not in the purse yet. To be called now and
  /// then; what is under way is not sent twice, over restarts too.
  ///
  /// @param unsure how much of what was taken may still be reorganised away: that waits
  void look(LongSupplier unsure) throws ChainException, PoolMill.Unavailable {
    View view = mill.ask(pool -> new View(pool.money(), pool.taken(), pool.purse(key.address())));
    if (!(view.money() instanceof Money.Escrow e) || !e.contract().equals(escrow.address())) {
      return;
    }
    long funded = view.purse().map(PurseView::funded).orElse(0L);
    long spent = Math.min(funded, view.purse().map(PurseView::spent).orElse(0L));
    if (spent > view.purse().map(PurseView::cover).orElse(0L)) {
      sign(e, spent);
    }
    long there = view.taken() - unsure.getAsLong();
    if (there > 0) {
      deposit(funded, there);
    }
  }

  private void sign(Money.Escrow e, long cumulative) throws PoolMill.Unavailable {
    String signature =
        key.sign(Digests.voucher(e.chainId(), e.contract(), key.address(), e.pool(), cumulative));
    Command take = new Command.TakeVoucher(new Voucher(key.address(), cumulative, signature));
    if (mill.command(take) instanceof PoolLoop.Reply.Refused(Rejection why)) {
      LOG.log(System.Logger.Level.WARNING, "the pool's own voucher counts not: " + why.message());
    }
  }

  /// A deposit is named by what was in the purse before, so that the same one is not made again
  /// until the books have seen it; the token takes its signature once.
  private void deposit(long funded, long amount) throws ChainException {
    for (int attempt = 0; attempt < MarketLimits.BANK_ATTEMPTS; attempt++) {
      String name = PREFIX + funded + "-" + attempt;
      Optional<Outbox.State> state = outbox.state(name);
      if (state.isPresent()) {
        switch (state.get()) {
          case Outbox.State.Waiting _, Outbox.State.Included _, Outbox.State.Done _ -> {
            return;
          }
          case Outbox.State.Failed _, Outbox.State.Displaced _ -> {
            continue;
          }
        }
      }
      Hash salt = Hash.sha256(name.getBytes(StandardCharsets.US_ASCII));
      TokenAuthorization a =
          new TokenAuthorization(
              key.address(),
              escrow.address(),
              amount,
              0,
              clock.millis() / 1_000 + MarketLimits.BANK_S,
              TokenAuthorization.depositNonce(identity, salt));
      String signature = key.sign(Digests.receiveWithAuthorization(token.domain(), a));
      outbox.submit(
          name, escrow.depositWithAuthorization(identity, a, salt, signature), Outbox.Again.NEVER);
      return;
    }
  }
}
