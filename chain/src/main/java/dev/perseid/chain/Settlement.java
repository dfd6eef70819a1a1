package dev.perseid.chain;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.core.Address;
import dev.perseid.core.Epoch;
import dev.perseid.core.Hash;
import dev.perseid.core.Money;
import dev.perseid.core.Payout;
import dev.perseid.core.Voucher;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/// What a pool sends to its escrow at the end of an epoch. Its parts are bounded so that it fits
/// into one transaction. Immutable.
///
/// @param epoch one more than the pool's last
/// @param vouchers to redeem, at most [Limits#VOUCHERS]; one of a contract counts as
///   [#CONTRACT_VOUCHER]
/// @param leastEarned what the pool must then have earned in all since the start, else nothing
///   happens
/// @param payouts to push, at most [Limits#PAYOUTS]: what each payee is due in all since the start
/// @param dues all that is due to anybody, in all since the start: the leaves of the tree
/// @param log the key that signs the log's tree heads
/// @param recordsSize entries in the log
/// @param recordsRoot RFC 6962 root over them
public record Settlement(
    long epoch,
    List<SignedVoucher> vouchers,
    long leastEarned,
    List<Due> payouts,
    List<Due> dues,
    Address log,
    long recordsSize,
    Hash recordsRoot) {
  /// As how many vouchers one counts that a contract must check, which may burn 200,000 gas.
  public static final int CONTRACT_VOUCHER = 20;

  private static final ObjectMapper JSON = new ObjectMapper();

  public Settlement {
    vouchers = List.copyOf(vouchers);
    payouts = List.copyOf(payouts);
    dues = List.copyOf(dues);
    if (epoch < 1 || leastEarned < 0 || recordsSize < 0) {
      throw new IllegalArgumentException("epochs begin with 1, and nothing is below zero");
    }
    long weight = 0;
    Set<Address> consumers = new HashSet<>();
    for (SignedVoucher v : vouchers) {
      weight += v.byContract() ? CONTRACT_VOUCHER : 1;
      if (!consumers.add(v.consumer())) {
        throw new IllegalArgumentException("two vouchers of " + v.consumer() + ": keep the later");
      }
    }
    if (weight > Limits.VOUCHERS) {
      throw new IllegalArgumentException(
          "too many vouchers for one transaction: they count as "
              + weight
              + ", at most "
              + Limits.VOUCHERS
              + " fit; leave some to the next epoch");
    }
    if (payouts.size() > Limits.PAYOUTS) {
      throw new IllegalArgumentException(
          payouts.size()
              + " payouts are too many for one transaction: at most "
              + Limits.PAYOUTS
              + "; the others are claimed");
    }
    Set<Address> payees = new HashSet<>();
    for (Due payout : payouts) {
      if (!payees.add(payout.payee())) {
        throw new IllegalArgumentException("two payouts to " + payout.payee());
      }
    }
  }

  /// What a pool closed, as its escrow takes it. A voucher that its consumer's key did not sign
  /// goes to the contract that the consumer is.
  ///
  /// @param money the pool's
  /// @param log the pool's key, which signs its tree heads
  /// @throws IllegalArgumentException if it does not fit into one transaction
  public static Settlement of(Epoch epoch, Money.Escrow money, Address log) {
    List<SignedVoucher> vouchers = new ArrayList<>();
    for (Voucher v : epoch.vouchers()) {
      Hash digest =
          Digests.voucher(
              money.chainId(), money.contract(), v.consumer(), money.pool(), v.cumulative());
      boolean byKey = Key.verify(digest, v.signature(), v.consumer());
      vouchers.add(new SignedVoucher(v.consumer(), v.cumulative(), v.signature(), !byKey));
    }
    List<Due> payouts = new ArrayList<>();
    List<Due> dues = new ArrayList<>();
    for (Payout p : epoch.payouts()) {
      Due due = new Due(p.payee(), p.cumulative());
      dues.add(due);
      if (p.pushed()) {
        payouts.add(due);
      }
    }
    return new Settlement(
        epoch.number(),
        vouchers,
        epoch.leastEarned(),
        payouts,
        dues,
        log,
        epoch.recordsSize(),
        epoch.recordsRoot());
  }

  /// The tree of what is due. Some 3 µs a payee, each time.
  public PayoutTree tree() {
    return PayoutTree.of(dues);
  }

  /// Gas that it may use beyond what is estimated, whatever others do in between.
  public long roomGas() {
    long gas = payouts.size() * Limits.PUSH_ROOM_GAS;
    for (SignedVoucher v : vouchers) {
      gas += v.byContract() ? Limits.CONTRACT_ROOM_GAS : Limits.VOUCHER_ROOM_GAS;
    }
    return gas;
  }

  /// What the pool commits itself to. As dear as [#tree].
  public Commitment commitment() {
    return new Commitment(tree().root(), log, recordsSize, recordsRoot);
  }

  // ---- as a file --------------------------------------------------------------------------------

  /// As JSON (`docs/chain.md`).
  public String toJson() {
    ObjectNode root = JSON.createObjectNode();
    root.put("epoch", epoch);
    ArrayNode all = root.putArray("vouchers");
    for (SignedVoucher v : vouchers) {
      write(all.addObject(), v);
    }
    root.put("least_earned", leastEarned);
    write(root.putArray("payouts"), payouts);
    write(root.putArray("dues"), dues);
    root.put("log", log.toString());
    root.put("records_size", recordsSize);
    root.put("records_root", Hex.of(recordsRoot));
    return root.toPrettyString() + "\n";
  }

  private static void write(ObjectNode one, SignedVoucher v) {
    one.put("consumer", v.consumer().toString()).put("cumulative", v.cumulative());
    one.put("signature", v.signature());
    if (v.byContract()) {
      one.put("by_contract", true);
    }
  }

  private static void write(ArrayNode all, List<Due> dues) {
    for (Due due : dues) {
      all.addObject().put("payee", due.payee().toString()).put("cumulative", due.cumulative());
    }
  }

  /// Reads what [#toJson] writes.
  ///
  /// @throws ChainException of kind `INPUT` that says what is wrong
  public static Settlement ofJson(String text) throws ChainException {
    JsonNode root = read(text);
    try {
      return new Settlement(
          number(root, "epoch"),
          vouchers(root.path("vouchers")),
          number(root, "least_earned"),
          dues(root.path("payouts")),
          dues(root.path("dues")),
          Address.parse(root.path("log").asText()),
          number(root, "records_size"),
          Hash.parse(root.path("records_root").asText()));
    } catch (IllegalArgumentException e) {
      throw ChainException.input("this is no settlement: " + e.getMessage());
    }
  }

  /// Reads a list of vouchers, as in a settlement.
  ///
  /// @throws ChainException of kind `INPUT` that says what is wrong
  public static List<SignedVoucher> vouchersOfJson(String text) throws ChainException {
    JsonNode root = read(text);
    try {
      return vouchers(root.isArray() ? root : root.path("vouchers"));
    } catch (IllegalArgumentException e) {
      throw ChainException.input("these are no vouchers: " + e.getMessage());
    }
  }

  private static JsonNode read(String text) throws ChainException {
    try {
      JsonNode root = JSON.readTree(text);
      if (root != null && root.isContainerNode()) {
        return root;
      }
    } catch (JacksonException e) {
      // said below
    }
    throw ChainException.input("this is not JSON");
  }

  private static List<SignedVoucher> vouchers(JsonNode nodes) {
    List<SignedVoucher> all = new ArrayList<>();
    for (JsonNode one : nodes) {
      SignedVoucher voucher =
          new SignedVoucher(
              Address.parse(one.path("consumer").asText()),
              number(one, "cumulative"),
              one.path("signature").asText(),
              one.path("by_contract").asBoolean());
      if (!voucher.signature().matches("(0x)?([0-9a-fA-F]{2})*")) {
        throw new IllegalArgumentException("a signature is written in hexadecimal digits");
      }
      if (!voucher.byContract()) {
        voucher =
            SignedVoucher.byKey(voucher.consumer(), voucher.cumulative(), voucher.signature());
        Token.signature(voucher.signature());
      }
      all.add(voucher);
    }
    return all;
  }

  private static List<Due> dues(JsonNode nodes) {
    List<Due> all = new ArrayList<>();
    for (JsonNode one : nodes) {
      all.add(new Due(Address.parse(one.path("payee").asText()), number(one, "cumulative")));
    }
    return all;
  }

  private static long number(JsonNode from, String field) {
    JsonNode node = from.path(field);
    if (!node.isIntegralNumber() || !node.canConvertToLong()) {
      throw new IllegalArgumentException("'" + field + "' must be a whole number");
    }
    return node.longValue();
  }
}
