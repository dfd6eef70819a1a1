package dev.perseid.chain;

import dev.perseid.core.Hash;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// Why a contract refused, in a sentence.
///
/// @param error the error's name as in Solidity, e.g. `WrongEpoch`; `Error` for a text, `Panic` for
///   a bug of the contract, `` if it said nothing
/// @param arguments as text
/// @param sentence for people
public record Revert(String error, List<String> arguments, String sentence) {
  private static final Map<Hash, Artifact.ErrorType> KNOWN = known();

  private static Map<Hash, Artifact.ErrorType> known() {
    Map<Hash, Artifact.ErrorType> all = new HashMap<>();
    for (Artifact artifact : Artifact.values()) {
      for (Artifact.ErrorType type : artifact.errors()) {
        all.put(key(Abi.selector(type.signature())), type);
      }
    }
    for (String text : List.of("Error(string)", "Panic(uint256)")) {
      int at = text.indexOf('(');
      all.put(
          key(Abi.selector(text)),
          new Artifact.ErrorType(
              text, text.substring(0, at), List.of(text.substring(at + 1, text.length() - 1))));
    }
    return all;
  }

  private static Hash key(byte[] selector) {
    return Hash.of(Arrays.copyOf(selector, 32));
  }

  /// What the bytes say that a contract reverted with.
  static Revert of(byte[] data) {
    if (data.length < 4) {
      return new Revert(
          "",
          List.of(),
          "the contract refuses without a word: is it the right contract, and the right token?");
    }
    Artifact.ErrorType type = KNOWN.get(key(Arrays.copyOf(data, 4)));
    if (type == null) {
      String hex = Hex.of(data);
      return new Revert(
          hex.substring(0, 10), List.of(), "the contract refuses with " + Hex.shown(hex));
    }
    AbiReader reader = new AbiReader(Arrays.copyOfRange(data, 4, data.length));
    List<String> arguments = new ArrayList<>();
    try {
      for (int i = 0; i < type.types().size(); i++) {
        arguments.add(
            switch (type.types().get(i)) {
              case "address" -> reader.address(i).toString();
              case "string" -> reader.string(i);
              case "bytes32" -> Hex.of(reader.word(i));
              default -> reader.uint(i).toString();
            });
      }
    } catch (ChainException e) {
      return new Revert(type.name(), List.of(), "the contract refuses with " + type.name());
    }
    return new Revert(type.name(), List.copyOf(arguments), sentence(type, arguments));
  }

  private static String sentence(Artifact.ErrorType type, List<String> a) {
    return switch (type.signature()) {
      case "Error(string)" -> "the contract refuses: " + Hex.shown(a.get(0));
      case "Panic(uint256)" -> "the contract failed by itself (panic " + a.get(0) + ")";
      case "PoolUnknown(address)" ->
          a.get(0) + " is not registered as a pool: its owner runs 'perseid chain register' first";
      case "NothingReceived()" -> "the token moved nothing: write an amount above zero";
      case "NotThePool(address)" ->
          "the key " + a.get(0) + " does not act for this pool: use one of its registered keys";
      case "WrongEpoch(uint64)" ->
          "the pool's next epoch is " + a.get(0) + ": this settlement was sent before, or is early";
      case "BadLength(uint256)" -> "the packed list has a length that cannot be: " + a.get(0);
      case "BadVoucher(uint256)" ->
          "voucher number "
              + a.get(0)
              + " (from 0) is not signed by its consumer for this pool, contract and chain";
      case "EarnedLess(uint256)" ->
          "with these vouchers the pool has earned only "
              + money(a.get(0))
              + " in all: a purse was emptied, or a contract denied its voucher";
      case "TillTooSmall(uint256,uint256)" ->
          "the pool's till has " + money(a.get(0)) + " but " + money(a.get(1)) + " were to be paid";
      case "NotCommitted(uint64)" ->
          "epoch "
              + a.get(0)
              + " is none of the last eight, or the proof or commitment is not that epoch's";
      case "NothingDue()" -> "nothing is due: it was paid before, or the pool's till is empty";
      case "NotThePayee(address)" ->
          "only " + a.get(0) + " or who controls its identity may send this money elsewhere";
      case "BadReceiver(address)" -> "money must not go to " + a.get(0) + ": name another receiver";
      case "NotLeaving()" -> "no exit is under way: ask for one first";
      case "AlreadyLeaving(uint64)" ->
          "an exit is under way already; it is free at " + time(a.get(0));
      case "TooEarly(uint64)", "TooEarly(uint256)" -> "too early: wait until " + time(a.get(0));
      case "TooLate(uint64)" -> "too late: it ended at " + time(a.get(0));
      case "KeyTaken(address)" -> "the key " + a.get(0) + " belongs to an identity already";
      case "KeyUnknown(address)" -> "the key " + a.get(0) + " is none of this identity's";
      case "TooManyKeys()" -> "the identity has eight keys already: retire one first";
      case "ConsentExpired(uint64)" -> "the key's consent ended at " + time(a.get(0));
      case "BadSignature(address)" -> "the signature is not that of " + a.get(0);
      case "BadRoles(uint8)" -> "there is no such role: " + a.get(0);
      case "EndpointTooLong(uint256)" ->
          "the endpoint has " + a.get(0) + " bytes; at most 256 are allowed";
      case "IdentityUnknown(address)" ->
          a.get(0) + " is no registered identity: run 'perseid chain register' with its key first";
      case "Forbidden(address)" -> "only " + a.get(0) + " may do this";
      case "RoyaltyTooHigh(uint32)" ->
          "a royalty of " + a.get(0) + " thousandths is too high: at most 500";
      case "ModelOutdated(uint64)" -> "a newer version of this model was listed or withdrawn";
      case "ModelUnknown(bytes32,address)" -> "this model of " + a.get(1) + " is not listed";
      case "BadAsset(uint256)" -> "there is no asset " + a.get(0) + " in this collateral";
      case "AboveCap(uint256)" ->
          "the collateral has room for only " + money(a.get(0)) + " more of this asset";
      case "NotBonded(uint256)" ->
          "only " + money(a.get(0)) + " of this are bonded and not leaving";
      case "NothingOwed()" -> "nothing is owed to this account";
      case "WrongDeposit(uint256)" -> "a challenge needs a deposit of exactly " + a.get(0) + " wei";
      case "NobodyAnswers(address)" ->
          "nobody answers for the log key " + a.get(0) + ", or not any more";
      case "NotIncluded(uint64)" ->
          "the path does not lead from entry " + a.get(0) + " to the root";
      case "NoContradiction()" -> "the two statements do not contradict each other";
      case "BillIsRight()" -> "the bill is right";
      case "AlreadyChallenged(bytes32)" -> "this entry was asked for already";
      case "AlreadyConvicted(bytes32)" -> "there is a verdict in this case already";
      case "ChallengeNotOpen(bytes32)" -> "this challenge is not open";
      case "NotConvicted(bytes32)" -> "there is no verdict in this case";
      case "AlreadySlashed(bytes32)" -> "this verdict was enforced here before";
      case "WrongBond(uint256)" -> "a dispute needs a bond of exactly " + a.get(0) + " wei";
      case "WrongStage(uint8)" -> "the dispute is not where this could be done; look at its status";
      case "StakeTooSmall(uint256)" -> "less than " + a.get(0) + " wei are staked";
      case "StakeHeld(uint32)" -> a.get(0) + " disputes still hold this stake";
      case "NotDisputable()" ->
          "only a record of a task that is done, with its gas, can be disputed";
      case "NotInBatch()" -> "the record is not in the batch that was signed";
      case "AlreadyOpened(bytes32)" -> "you have disputed this record before";
      case "OwnRecord(address)" -> "nobody disputes a record of its own";
      case "NotTheArbiter(address)" -> "only a key of " + a.get(0) + " votes here";
      case "ERC20InsufficientBalance(address,uint256,uint256)" ->
          a.get(0) + " has " + money(a.get(1)) + " of the token and needs " + money(a.get(2));
      case "ERC20InsufficientAllowance(address,uint256,uint256)" ->
          a.get(0) + " may take " + money(a.get(1)) + " of the token and needs " + money(a.get(2));
      case "ERC3009UsedAuthorization(address,bytes32)" ->
          "this authorization of " + a.get(0) + " was used or cancelled before: sign a new one";
      case "ERC3009InvalidAuthorizationTime(uint256,uint256)" ->
          "the authorization counts only from " + time(a.get(0)) + " to " + time(a.get(1));
      case "ERC3009InvalidSignature()" ->
          "the authorization is not signed by who is to pay, or for another token or chain";
      case "SafeERC20FailedOperation(address)" ->
          "the token " + a.get(0) + " refuses the transfer: too little money, or not allowed";
      default ->
          "the contract refuses with "
              + type.name()
              + (a.isEmpty() ? "" : " " + Hex.shown(String.join(", ", a)));
    };
  }

  /// Units of a token with six decimals, as people write them.
  private static String money(String units) {
    BigDecimal value = new BigDecimal(new BigInteger(units), 6).stripTrailingZeros();
    return (value.scale() < 0 ? value.setScale(0) : value).toPlainString();
  }

  private static String time(String seconds) {
    BigInteger s = new BigInteger(seconds);
    return s.bitLength() > 37 ? "the end of time" : Instant.ofEpochSecond(s.longValue()).toString();
  }

  /// The argument at a place, if the contract gave one.
  public Optional<String> argument(int place) {
    return place < arguments.size() ? Optional.of(arguments.get(place)) : Optional.empty();
  }
}
