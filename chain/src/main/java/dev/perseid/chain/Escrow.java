package dev.perseid.chain;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.settle.TokenAuthorization;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;

/// The contract `Escrow`: purses, tills, settlements, exits (`docs/contracts.md`). Amounts are
/// units of its token; what is more than 2^63 - 1 counts as that much.
public final class Escrow {
  /// A consumer's purse for one pool.
  ///
  /// @param funded what it put in, less what it took out
  /// @param spent what of that the pool has redeemed
  /// @param exitAtS when the rest may leave, seconds since the epoch; 0 if nobody asked
  public record Purse(long funded, long spent, long exitAtS) {
    /// What is left in it.
    public long left() {
      return funded - spent;
    }

    /// Whether its owner asked to leave.
    public boolean leaving() {
      return exitAtS != 0;
    }
  }

  /// What a pool has earned and paid in all, and its last epoch.
  public record Till(long earned, long paid, long epoch) {
    /// What is in it.
    public long inTill() {
      return earned - paid;
    }
  }

  /// What came of a settlement or a redemption.
  ///
  /// @param redeemed what came into the till
  /// @param skipped consumers that are contracts and denied their vouchers
  /// @param failedPushes payees to whom the token would not send: they stay due
  public record Outcome(long redeemed, List<Address> skipped, List<Address> failedPushes) {}

  /// Epochs whose commitments the contract keeps.
  private static final int EPOCHS_KEPT = 8;

  static final Hash DEPOSITED = Abi.topic("Deposited(address,address,address,uint256)");
  static final Hash EXIT_ASKED = Abi.topic("ExitAsked(address,address,uint64)");
  static final Hash EXIT_CANCELLED = Abi.topic("ExitCancelled(address,address)");
  static final Hash EXITED = Abi.topic("Exited(address,address,address,uint256)");
  static final Hash REDEEMED = Abi.topic("Redeemed(address,uint256)");
  static final Hash VOUCHER_SKIPPED = Abi.topic("VoucherSkipped(address,address,uint96)");
  static final Hash SETTLED =
      Abi.topic("Settled(address,uint64,uint256,bytes32,address,uint64,bytes32)");
  static final Hash PAYOUT_FAILED = Abi.topic("PayoutFailed(address,address,uint256)");
  static final Hash CLAIMED = Abi.topic("Claimed(address,address,address,uint256)");

  private final Chain chain;
  private final Address address;

  /// The escrow at an address.
  public Escrow(Chain chain, Address address) {
    this.chain = chain;
    this.address = address;
  }

  /// Where it is.
  public Address address() {
    return address;
  }

  // ---- to read ----------------------------------------------------------------------------------

  /// The token that it holds.
  public Address token(At at) throws ChainException {
    return chain.call(address, Abi.call("token()"), at).address(0);
  }

  /// The registry that it asks.
  public Address registry(At at) throws ChainException {
    return chain.call(address, Abi.call("registry()"), at).address(0);
  }

  /// A consumer's purse.
  public Purse purse(Address pool, Address consumer, At at) throws ChainException {
    return purses(pool, List.of(consumer), at).getFirst();
  }

  /// Purses of one pool, in the order of the consumers.
  public List<Purse> purses(Address pool, List<Address> consumers, At at) throws ChainException {
    List<Call> calls = new ArrayList<>();
    for (Address consumer : consumers) {
      calls.add(read("purseOf(address,address)", Abi.address(pool), Abi.address(consumer)));
    }
    List<Purse> all = new ArrayList<>();
    for (AbiReader r : chain.calls(calls, at)) {
      Purse purse = new Purse(r.amount(0), r.amount(1), r.small(2));
      if (purse.spent() > purse.funded()) {
        throw ChainException.untrusted("a purse of " + address + " has spent more than it had");
      }
      all.add(purse);
    }
    return all;
  }

  /// A pool's till.
  public Till till(Address pool, At at) throws ChainException {
    AbiReader r = chain.call(address, Abi.call("tillOf(address)", Abi.address(pool)), at);
    Till till = new Till(r.amount(0), r.amount(1), r.small(2));
    if (till.paid() > till.earned()) {
      throw ChainException.untrusted("a till of " + address + " has paid more than it earned");
    }
    return till;
  }

  /// All that a payee ever got from a pool.
  public long paidTo(Address pool, Address payee, At at) throws ChainException {
    return paidTo(pool, List.of(payee), at).getFirst();
  }

  /// As [#paidTo], in the order of the payees.
  public List<Long> paidTo(Address pool, List<Address> payees, At at) throws ChainException {
    List<Call> calls = new ArrayList<>();
    for (Address payee : payees) {
      calls.add(read("paidTo(address,address)", Abi.address(pool), Abi.address(payee)));
    }
    List<Long> all = new ArrayList<>();
    for (AbiReader r : chain.calls(calls, at)) {
      all.add(r.amount(0));
    }
    return all;
  }

  /// The hash of what a pool committed itself to in one of its last eight epochs; else zero.
  public Hash commitmentAt(Address pool, long epoch, At at) throws ChainException {
    return chain
        .call(
            address,
            Abi.call("commitmentAt(address,uint64)", Abi.address(pool), Abi.uint(epoch)),
            at)
        .word(0);
  }

  /// An epoch's commitment.
  public record Committed(long epoch, Commitment commitment) {}

  /// What a pool committed itself to in its last eight epochs, the newest first. The contract keeps
  /// hashes; the contents are those of its events and are held against them.
  ///
  /// @param from a block before which the pool settled nothing
  public List<Committed> commitments(Address pool, long from, Head head) throws ChainException {
    At at = At.block(head);
    long last = till(pool, at).epoch();
    long first = Math.max(1, last - EPOCHS_KEPT + 1);
    List<Committed> found = new ArrayList<>();
    long known = 0;
    for (long end = head.number();
        end >= from && known < last - first + 1;
        end -= Limits.LOG_BLOCKS) {
      Head to = end == head.number() ? head : chain.block(end);
      long start = Math.max(from, end - Limits.LOG_BLOCKS + 1);
      Hash second = Abi.topic(pool);
      for (Log log : chain.logs(address, List.of(SETTLED), second, start, to).reversed()) {
        if (log.topics().size() != 3) {
          throw ChainException.untrusted("the node sent a log without its arguments");
        }
        long epoch = new AbiReader(log.topics().get(2).bytes()).small(0);
        if (epoch < first) {
          break;
        }
        AbiReader said = new AbiReader(log.data());
        known++;
        if (said.uint(3).bitLength() > 63) {
          continue; // no log is so long: whoever committed this must not keep others from reading
        }
        Commitment one = new Commitment(said.word(1), said.address(2), said.small(3), said.word(4));
        if (!one.hash().equals(commitmentAt(pool, epoch, at))) {
          throw ChainException.untrusted(
              "the node's event of epoch "
                  + epoch
                  + " is not what the contract "
                  + address
                  + " keeps");
        }
        found.add(new Committed(epoch, one));
      }
    }
    if (known != last - first + 1) {
      throw ChainException.untrusted(
          "the pool settled " + last + " epochs, and the node has not the events of the last ones");
    }
    return found;
  }

  private Call read(String signature, Abi... arguments) {
    return Call.to(address, "read", Abi.call(signature, arguments));
  }

  // ---- consumers --------------------------------------------------------------------------------

  /// Puts the caller's money into a consumer's purse; the caller approved it at the token before.
  public Call deposit(Address pool, Address consumer, long amount) {
    return Call.to(
        address,
        "deposit for " + consumer,
        Abi.call(
            "deposit(address,address,uint256)",
            Abi.address(pool),
            Abi.address(consumer),
            Abi.uint(amount)));
  }

  /// Puts a consumer's money into its purse by its signature. Anybody can send it.
  ///
  /// @param a whose nonce is [TokenAuthorization#depositNonce] of pool and salt, to this contract
  /// @param signature of [dev.perseid.settle.Digests#receiveWithAuthorization]
  public Call depositWithAuthorization(
      Address pool, TokenAuthorization a, Hash salt, String signature) {
    return Call.to(
        address,
        "deposit by signature of " + a.from(),
        Abi.call(
            "depositWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)",
            Abi.address(pool),
            Abi.address(a.from()),
            Abi.uint(a.value()),
            Abi.uint(a.validAfterS()),
            Abi.uint(a.validBeforeS()),
            Abi.word(salt),
            Abi.bytes(HexFormat.of().parseHex(plain(signature)))));
  }

  /// Says that the caller will leave a pool.
  public Call askExit(Address pool) {
    return Call.to(address, "ask to exit", Abi.call("askExit(address)", Abi.address(pool)));
  }

  /// Stays after all.
  public Call cancelExit(Address pool) {
    return Call.to(address, "cancel the exit", Abi.call("cancelExit(address)", Abi.address(pool)));
  }

  /// Takes what is left of the caller's purse.
  public Call exit(Address pool, Address to) {
    return Call.to(
        address, "exit", Abi.call("exit(address,address)", Abi.address(pool), Abi.address(to)));
  }

  // ---- pools ------------------------------------------------------------------------------------

  /// Settles an epoch. For a key of the pool.
  public Call settle(Address pool, Settlement s) {
    ByteArrayOutputStream payouts = new ByteArrayOutputStream();
    for (Due payout : s.payouts()) {
      payouts.writeBytes(pack(payout.payee(), payout.cumulative()));
    }
    return Call.to(
        address,
        "settle epoch " + s.epoch(),
        Abi.call(
            "settle(address,uint64,bytes,(address,uint96,bytes)[],uint256,bytes,"
                + "(bytes32,address,uint64,bytes32))",
            Abi.address(pool),
            Abi.uint(s.epoch()),
            Abi.bytes(packed(s.vouchers())),
            contracts(s.vouchers()),
            Abi.uint(s.leastEarned()),
            Abi.bytes(payouts.toByteArray()),
            s.commitment().abi()));
  }

  /// Redeems vouchers into a pool's till. Anybody can send it.
  public Call redeem(Address pool, List<SignedVoucher> vouchers) {
    return Call.to(
        address,
        "redeem " + vouchers.size() + " vouchers",
        Abi.call(
            "redeem(address,bytes,(address,uint96,bytes)[])",
            Abi.address(pool),
            Abi.bytes(packed(vouchers)),
            contracts(vouchers)));
  }

  /// Pays a payee what a commitment of one of the last eight epochs promises. Anybody can send it.
  public Call claim(Address pool, long epoch, Due due, List<Hash> proof, Commitment commitment) {
    return Call.to(
        address,
        "claim for " + due.payee(),
        Abi.call(
            "claim(address,uint64,address,uint96,bytes32[],(bytes32,address,uint64,bytes32))",
            Abi.address(pool),
            Abi.uint(epoch),
            Abi.address(due.payee()),
            Abi.uint(due.cumulative()),
            Abi.words(proof),
            commitment.abi()));
  }

  /// As [#claim], to another address. For the payee, or who controls its identity.
  public Call claimTo(
      Address pool, long epoch, Due due, List<Hash> proof, Commitment commitment, Address to) {
    return Call.to(
        address,
        "claim for " + due.payee(),
        Abi.call(
            "claimTo(address,uint64,address,uint96,bytes32[],(bytes32,address,uint64,bytes32),"
                + "address)",
            Abi.address(pool),
            Abi.uint(epoch),
            Abi.address(due.payee()),
            Abi.uint(due.cumulative()),
            Abi.words(proof),
            commitment.abi(),
            Abi.address(to)));
  }

  /// Reads what came of a settlement or a redemption of a pool.
  ///
  /// @throws ChainException of kind `UNTRUSTED` if the receipt has no such thing in it
  public Outcome outcome(Address pool, Receipt receipt) throws ChainException {
    Optional<Long> redeemed = Optional.empty();
    List<Address> skipped = new ArrayList<>();
    List<Address> failed = new ArrayList<>();
    for (Log log : receipt.logs()) {
      if (!log.contract().equals(address)
          || log.topics().size() < 2
          || !log.address(1).equals(pool)) {
        continue;
      }
      Hash kind = log.topics().get(0);
      if (kind.equals(SETTLED) || kind.equals(REDEEMED)) {
        redeemed = Optional.of(new AbiReader(log.data()).amount(0));
      } else if (kind.equals(VOUCHER_SKIPPED)) {
        skipped.add(log.address(2));
      } else if (kind.equals(PAYOUT_FAILED)) {
        failed.add(log.address(2));
      }
    }
    return new Outcome(
        redeemed.orElseThrow(() ->
            ChainException.untrusted("the receipt of a settlement does not say what it redeemed")),
        skipped,
        failed);
  }

  private static byte[] packed(List<SignedVoucher> vouchers) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (SignedVoucher v : vouchers) {
      if (!v.byContract()) {
        out.writeBytes(pack(v.consumer(), v.cumulative()));
        out.writeBytes(Token.compact(v.signature()));
      }
    }
    return out.toByteArray();
  }

  private static Abi contracts(List<SignedVoucher> vouchers) {
    List<Abi> all = new ArrayList<>();
    for (SignedVoucher v : vouchers) {
      if (v.byContract()) {
        all.add(
            Abi.tuple(
                Abi.address(v.consumer()),
                Abi.uint(v.cumulative()),
                Abi.bytes(HexFormat.of().parseHex(plain(v.signature())))));
      }
    }
    return Abi.array(all);
  }

  /// 20 bytes of an address, 12 of an amount.
  private static byte[] pack(Address who, long amount) {
    return ByteBuffer.allocate(32).put(who.bytes()).putInt(0).putLong(amount).array();
  }

  private static String plain(String hex) {
    return hex.startsWith("0x") ? hex.substring(2) : hex;
  }
}
