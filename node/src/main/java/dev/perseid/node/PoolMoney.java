package dev.perseid.node;

import com.google.protobuf.ByteString;
import dev.perseid.core.AccountView;
import dev.perseid.core.Address;
import dev.perseid.core.Command;
import dev.perseid.core.Hash;
import dev.perseid.core.Money;
import dev.perseid.core.Movement;
import dev.perseid.core.Pool;
import dev.perseid.core.PurseView;
import dev.perseid.core.Rejection;
import dev.perseid.core.Voucher;
import dev.perseid.core.Wanted;
import dev.perseid.journal.MoneyBook;
import dev.perseid.journal.MovementCodec;
import dev.perseid.journal.Statement;
import dev.perseid.settle.Key;
import dev.perseid.wire.Malformed;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.MoneyGrpc;
import dev.perseid.wire.v1.MoneyProto;
import io.grpc.Status;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.PrimitiveIterator;
import java.util.concurrent.Semaphore;

/// What consumers, providers and the operator ask about money. A consumer sees its own purse and
/// movements only, and only its own key signs for it.
final class PoolMoney extends MoneyGrpc.MoneyImplBase {
  private final Address self;
  private final PoolMill mill;
  private final WatchHub<Address> purses;
  private final Settler settler;
  private final Optional<EscrowVault> escrow;
  private final Semaphore statements = new Semaphore(MoneyLimits.STATEMENTS);
  private final Semaphore moving = new Semaphore(1);

  /// @param escrow if the pool knows one, on which it is or to which it could move
  PoolMoney(
      Address self,
      PoolMill mill,
      WatchHub<Address> purses,
      Settler settler,
      Optional<EscrowVault> escrow) {
    this.self = self;
    this.mill = mill;
    this.purses = purses;
    this.settler = settler;
    this.escrow = escrow;
  }

  /// What vouchers to a pool are signed for.
  static VoucherTerms terms(Money money, Address self) {
    return new VoucherTerms(
        money instanceof Money.Escrow,
        money.isVouched(),
        money.voucherChainId(),
        money.voucherContract(self),
        money instanceof Money.Escrow e ? Optional.of(e.token()) : Optional.empty(),
        money.voucherPool(self));
  }

  private static Sessions.Session caller() {
    return PoolServer.CALLER.get();
  }

  private static Address account(Sessions.Session caller, ByteString asked, String field)
      throws Malformed, PoolJobs.Denied {
    Address account = asked.isEmpty() ? caller.caller : Translation.address(asked, field);
    if (!caller.role.seesAll() && !caller.caller.equals(account)) {
      throw new PoolJobs.Denied(
          new Rejection(
              Rejection.Code.FORBIDDEN, "only operators and auditors see the money of others"));
    }
    return account;
  }

  // ---- purses -----------------------------------------------------------------------------------

  static PurseState state(Pool pool, Address self, Address consumer) {
    VoucherTerms terms = terms(pool.money(), self);
    Optional<PurseView> purse = pool.purse(consumer);
    if (purse.isEmpty()) {
      return new PurseState(
          consumer, terms, 0, 0, 0, 0, 0, "", 0, 0, OptionalLong.empty(), pool.movements());
    }
    PurseView p = purse.get();
    Optional<Voucher> highest =
        p.vouchers().isEmpty() ? Optional.empty() : Optional.of(p.vouchers().getLast());
    Wanted wanted = pool.wanted(consumer);
    return new PurseState(
        consumer,
        terms,
        p.funded(),
        p.spent(),
        p.redeemed(),
        p.prepaid(),
        highest.map(Voucher::cumulative).orElse(0L),
        highest.map(Voucher::signature).orElse(""),
        p.inFlight(),
        wanted.isNeeded() ? wanted.cumulative() : 0,
        p.leavingAtUs(),
        pool.movements());
  }

  private PurseState look(Address consumer) throws PoolMill.Unavailable {
    return mill.ask(pool -> state(pool, self, consumer));
  }

  @Override
  public void purse(MoneyProto.PurseRequest request, StreamObserver<MoneyProto.PurseReply> out) {
    Sessions.Session caller = caller();
    PoolJobs.serve(
        out,
        refusal ->
            PoolJobs.reply(
                out,
                MoneyProto.PurseReply.newBuilder()
                    .setRefusalCode(refusal.getCode())
                    .setRefusal(refusal.getMessage())
                    .build()),
        () ->
            PoolJobs.reply(out, look(account(caller, request.getConsumer(), "consumer")).write()));
  }

  @Override
  public void watchPurse(
      MoneyProto.PurseRequest request, StreamObserver<MoneyProto.PurseReply> out) {
    Sessions.Session caller = caller();
    PoolJobs.serve(
        out,
        refusal -> out.onError(PoolJobs.denied(refusal)),
        () -> {
          Address consumer = account(caller, request.getConsumer(), "consumer");
          Optional<WatchHub<Address>.Watcher> bell = purses.watch(consumer);
          if (bell.isEmpty()) {
            throw new PoolJobs.Denied(
                new Rejection(
                    Rejection.Code.OVERLOADED, "too many watch purses: try again in a minute"));
          }
          try (WatchHub<Address>.Watcher watcher = bell.get()) {
            follow(caller, consumer, watcher, out);
          }
        });
  }

  private void follow(
      Sessions.Session caller,
      Address consumer,
      WatchHub<Address>.Watcher watcher,
      StreamObserver<MoneyProto.PurseReply> out)
      throws PoolMill.Unavailable {
    MoneyProto.PurseReply told = MoneyProto.PurseReply.getDefaultInstance();
    while (true) {
      if (caller.isOver()) {
        out.onError(PoolJobs.revoked());
        return;
      }
      // The number of the next movement alone is no news.
      MoneyProto.PurseReply now = look(consumer).write();
      if (!now.toBuilder().clearNextMovement().build().equals(told)) {
        try {
          out.onNext(now);
        } catch (RuntimeException e) {
          return; // The caller has gone.
        }
        told = now.toBuilder().clearNextMovement().build();
      }
      if (out instanceof ServerCallStreamObserver<?> call && call.isCancelled()) {
        return;
      }
      try {
        Thread.sleep(MoneyLimits.PURSE_PAUSE_MS);
        watcher.await(MoneyLimits.PURSE_LOOK_MS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        out.onError(
            Status.UNAVAILABLE.withDescription("the pool is stopping").asRuntimeException());
        return;
      }
    }
  }

  @Override
  public void takeVoucher(
      MoneyProto.VoucherRequest request, StreamObserver<MoneyProto.VoucherReply> out) {
    Sessions.Session caller = caller();
    PoolJobs.serve(
        out,
        refusal ->
            PoolJobs.reply(
                out,
                MoneyProto.VoucherReply.newBuilder()
                    .setRefusalCode(refusal.getCode())
                    .setRefusal(refusal.getMessage())
                    .build()),
        () -> {
          String signature = Translation.signature(request.getSignature(), "signature");
          if (request.getCumulative() <= 0) {
            throw new Malformed("cumulative must be more than 0 microcredits");
          }
          VoucherTerms terms = mill.ask(pool -> terms(pool.money(), self));
          if (!Key.verify(
              terms.digest(caller.caller, request.getCumulative()), signature, caller.caller)) {
            throw new PoolJobs.Denied(
                new Rejection(
                    Rejection.Code.FORBIDDEN,
                    "the voucher of "
                        + request.getCumulative()
                        + " microcredits is not signed by "
                        + caller.caller
                        + " for chain "
                        + terms.chainId()
                        + ", contract "
                        + terms.contract()
                        + " and pool "
                        + terms.identity()
                        + ": sign the Voucher for these"));
          }
          execute(
              new Command.TakeVoucher(
                  new Voucher(caller.caller, request.getCumulative(), signature)));
          PoolJobs.reply(out, MoneyProto.VoucherReply.getDefaultInstance());
        });
  }

  private void execute(Command command) throws PoolMill.Unavailable, PoolJobs.Denied {
    if (mill.command(command) instanceof PoolLoop.Reply.Refused(Rejection why)) {
      throw new PoolJobs.Denied(why);
    }
  }

  // ---- statements -------------------------------------------------------------------------------

  @Override
  public void statement(
      MoneyProto.StatementRequest request, StreamObserver<MoneyProto.StatementPart> out) {
    Sessions.Session caller = caller();
    PoolJobs.serve(
        out,
        refusal ->
            PoolJobs.reply(
                out,
                MoneyProto.StatementPart.newBuilder()
                    .setRefusalCode(refusal.getCode())
                    .setRefusal(refusal.getMessage())
                    .build()),
        () -> {
          Address account = account(caller, request.getAccount(), "account");
          if (!statements.tryAcquire()) {
            throw new PoolJobs.Denied(
                new Rejection(
                    Rejection.Code.OVERLOADED,
                    "too many statements are being made: try again in a few seconds"));
          }
          try {
            tell(account, request, out);
          } finally {
            statements.release();
          }
        });
  }

  private void tell(
      Address account,
      MoneyProto.StatementRequest request,
      StreamObserver<MoneyProto.StatementPart> out)
      throws PoolMill.Unavailable {
    VoucherTerms terms = mill.ask(pool -> terms(pool.money(), self));
    MoneyBook book = mill.book();
    long toUs = request.getToUs() <= 0 ? Long.MAX_VALUE : request.getToUs();
    MoneyProto.StatementPart.Builder part = MoneyProto.StatementPart.newBuilder();
    long before = 0;
    long after = 0;
    PrimitiveIterator.OfLong numbers = book.numbersOf(account);
    while (numbers.hasNext()) {
      long number = numbers.nextLong();
      if (number < request.getFromNumber() && request.getFromUs() <= 0) {
        continue; // who asks for what is new adds up by itself
      }
      byte[] canonical = book.movement(number);
      Movement m = MovementCodec.decode(canonical);
      if (!m.from().equals(account) && !m.to().equals(account)) {
        continue; // another account whose address begins alike
      }
      if (m.atUs() >= toUs) {
        break; // time in the log never runs backwards
      }
      long total = total(Statement.holding(account, m));
      after = total;
      if (m.atUs() < request.getFromUs() || number < request.getFromNumber()) {
        before = total;
        continue;
      }
      part.addMovements(ByteString.copyFrom(canonical));
      if (part.getMovementsCount() >= MoneyLimits.STATEMENT_PART) {
        out.onNext(part.build());
        part.clear();
      }
    }
    part.setEnd(
        MoneyProto.StatementEnd.newBuilder()
            .setBalanceBefore(before)
            .setBalanceAfter(after)
            .setTerms(terms.write()));
    out.onNext(part.build());
    out.onCompleted();
  }

  private static long total(Movement.Holding h) {
    return h.free() + h.reserved() + h.due();
  }

  // ---- the operator -----------------------------------------------------------------------------

  private record Whole(
      Money money, long epoch, long closed, long due, long unsettled, long block) {}

  @Override
  public void status(
      MoneyProto.MoneyStatusRequest request, StreamObserver<MoneyProto.MoneyStatusReply> out) {
    PoolJobs.serve(
        out,
        refusal ->
            PoolJobs.reply(
                out,
                MoneyProto.MoneyStatusReply.newBuilder()
                    .setRefusalCode(refusal.getCode())
                    .setRefusal(refusal.getMessage())
                    .build()),
        () -> {
          Whole w = mill.ask(PoolMoney::whole);
          Settler.Status s = settler.status();
          PoolJobs.reply(
              out,
              MoneyProto.MoneyStatusReply.newBuilder()
                  .setTerms(terms(w.money(), self).write())
                  .setEpoch(w.epoch())
                  .setClosedEpoch(w.closed())
                  .setDue(w.due())
                  .setUnsettled(w.unsettled())
                  .setSeenBlock(w.block())
                  .setGasUsed(s.gasUsed())
                  .setBondGasUsed(s.bondGas())
                  .setTrouble(s.trouble())
                  .setNextCloseUs(s.nextCloseUs())
                  .setLastTx(s.lastTx())
                  .setSettledUs(s.settledUs())
                  .build());
        });
  }

  private static Whole whole(Pool pool) {
    long due = 0;
    for (AccountView a : pool.accounts()) {
      due += a.due();
    }
    long unsettled = 0;
    for (Address consumer : pool.purses()) {
      PurseView p = pool.purse(consumer).orElseThrow();
      unsettled += Math.max(0, p.spent() - p.redeemed());
    }
    return new Whole(
        pool.money(),
        pool.epoch(),
        pool.closedEpoch().map(e -> e.number()).orElse(0L),
        due,
        unsettled,
        pool.block());
  }

  @Override
  public void settle(MoneyProto.SettleRequest request, StreamObserver<MoneyProto.SettleReply> out) {
    PoolJobs.serve(
        out,
        refusal ->
            PoolJobs.reply(
                out,
                MoneyProto.SettleReply.newBuilder()
                    .setRefusalCode(refusal.getCode())
                    .setRefusal(refusal.getMessage())
                    .build()),
        () -> {
          Settler.Done done = settler.settleNow();
          MoneyProto.SettleReply.Builder reply = MoneyProto.SettleReply.newBuilder();
          if (done.epoch().isEmpty()) {
            reply.setNothing(true).setEpoch(mill.ask(Pool::epoch));
          } else {
            Command.ConfirmEpoch c = done.confirmed();
            reply
                .setEpoch(c.epoch())
                .setRedeemed(c.redeemed())
                .setVouchers(done.epoch().get().vouchers().size())
                .setPayouts(done.epoch().get().payouts().size())
                .setTx(c.txHash().equals(Hash.ZERO) ? "" : "0x" + c.txHash().hex())
                .setBlock(c.block())
                .setGas(c.gas())
                .setTookUs(done.tookUs());
          }
          PoolJobs.reply(out, reply.build());
        });
  }

  @Override
  public void requireVouchers(
      MoneyProto.RequireVouchersRequest request,
      StreamObserver<MoneyProto.RequireVouchersReply> out) {
    PoolJobs.serve(
        out,
        refusal ->
            PoolJobs.reply(
                out,
                MoneyProto.RequireVouchersReply.newBuilder()
                    .setRefusalCode(refusal.getCode())
                    .setRefusal(refusal.getMessage())
                    .build()),
        () -> {
          execute(new Command.RequireVouchers());
          PoolJobs.reply(out, MoneyProto.RequireVouchersReply.getDefaultInstance());
        });
  }

  @Override
  public void leave(MoneyProto.LeaveRequest request, StreamObserver<MoneyProto.LeaveReply> out) {
    Sessions.Session caller = caller();
    PoolJobs.serve(
        out,
        refusal ->
            PoolJobs.reply(
                out,
                MoneyProto.LeaveReply.newBuilder()
                    .setRefusalCode(refusal.getCode())
                    .setRefusal(refusal.getMessage())
                    .build()),
        () -> {
          execute(
              switch (request.getStep()) {
                case "ask" -> new Command.AskExit(caller.caller);
                case "cancel" -> new Command.CancelExit(caller.caller);
                case "take" -> new Command.Exit(caller.caller);
                default -> throw new Malformed("step must be ask, cancel or take");
              });
          PoolJobs.reply(out, MoneyProto.LeaveReply.getDefaultInstance());
        });
  }

  @Override
  public void claim(MoneyProto.ClaimRequest request, StreamObserver<MoneyProto.ClaimReply> out) {
    Sessions.Session caller = caller();
    PoolJobs.serve(
        out,
        refusal ->
            PoolJobs.reply(
                out,
                MoneyProto.ClaimReply.newBuilder()
                    .setRefusalCode(refusal.getCode())
                    .setRefusal(refusal.getMessage())
                    .build()),
        () -> {
          Address account = account(caller, request.getAccount(), "account");
          Money money = mill.ask(Pool::money);
          if (escrow.isEmpty() || !escrow.get().holds(money)) {
            throw new PoolJobs.Denied(
                new Rejection(
                    Rejection.Code.INVALID,
                    "there is nothing to claim here: this pool's money is "
                        + (money instanceof Money.Escrow
                            ? "in an escrow that it was started without"
                            : "credits in its own log")));
          }
          Optional<EscrowVault.Claim> found;
          try {
            found = escrow.get().claim(mill.ask(Pool::epoch), account);
          } catch (Vault.Trouble e) {
            throw new PoolMill.Unavailable(String.valueOf(e.getMessage()));
          }
          EscrowVault.Claim claim =
              found.orElseThrow(() ->
                  new PoolJobs.Denied(
                      new Rejection(
                          Rejection.Code.UNKNOWN,
                          "the last settlement of this pool owes " + account + " nothing")));
          MoneyProto.ClaimReply.Builder reply =
              MoneyProto.ClaimReply.newBuilder()
                  .setEpoch(claim.epoch())
                  .setCumulative(claim.cumulative())
                  .setPayoutRoot(Translation.bytes(claim.commitment().payoutRoot()))
                  .setLog(Translation.bytes(claim.commitment().log()))
                  .setRecordsSize(claim.commitment().recordsSize())
                  .setRecordsRoot(Translation.bytes(claim.commitment().recordsRoot()))
                  .setTerms(terms(money, self).write());
          for (Hash h : claim.proof()) {
            reply.addProof(Translation.bytes(h));
          }
          PoolJobs.reply(out, reply.build());
        });
  }

  @Override
  public void move(MoneyProto.MoveRequest request, StreamObserver<MoneyProto.MoveReply> out) {
    PoolJobs.serve(
        out,
        refusal ->
            PoolJobs.reply(
                out,
                MoneyProto.MoveReply.newBuilder()
                    .setRefusalCode(refusal.getCode())
                    .setRefusal(refusal.getMessage())
                    .build()),
        () -> {
          if (escrow.isEmpty()) {
            throw new PoolJobs.Denied(
                new Rejection(
                    Rejection.Code.INVALID,
                    "this pool knows no escrow: start it with --rpc URL and --deployment FILE, then"
                        + " move it"));
          }
          if (!moving.tryAcquire()) {
            throw new PoolJobs.Denied(
                new Rejection(Rejection.Code.OVERLOADED, "the pool is being moved already"));
          }
          try {
            new Mover(mill, escrow.get()).move(request.getGo(), out::onNext);
          } catch (Vault.Trouble e) {
            throw new PoolJobs.Denied(
                new Rejection(Rejection.Code.INVALID, String.valueOf(e.getMessage())));
          } finally {
            moving.release();
          }
          settler.ring();
          out.onNext(MoneyProto.MoveReply.newBuilder().setDone(true).build());
          out.onCompleted();
        });
  }
}
