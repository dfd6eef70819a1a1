package dev.perseid.chain;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;

/// The contract `Collateral`: what pools and providers stand to lose (`docs/contracts.md`).
public final class Collateral {
  /// Something that can be bonded.
  ///
  /// @param vault whether it is an ERC-4626 vault of the unit
  /// @param cap most of it, in its own units
  /// @param bonded how much of it is bonded by all
  public record Asset(Address token, boolean vault, int haircutPermille, long cap, long bonded) {
    Abi abi() {
      return Abi.tuple(
          Abi.address(token),
          Abi.bool(vault),
          Abi.uint(haircutPermille),
          Abi.uint(cap),
          Abi.uint(bonded));
    }
  }

  /// A bond in one asset.
  ///
  /// @param leaving what was asked back, from `freeAtS` on (seconds since the epoch) free to go
  public record Bond(long active, long leaving, long freeAtS) {}

  static final Hash BONDED = Abi.topic("Bonded(address,address,uint256,uint256)");
  static final Hash LEAVING = Abi.topic("Leaving(address,address,uint256,uint256,uint64)");
  static final Hash STAYED = Abi.topic("Stayed(address,address,uint256,uint256)");
  static final Hash WITHDRAWN = Abi.topic("Withdrawn(address,address,uint256,address,uint256)");
  static final Hash SLASHED = Abi.topic("Slashed(address,address,bytes32,uint256,uint256)");

  /// The contract's word that an evidence was used.
  public static final String USED = "AlreadySlashed";

  private final Chain chain;
  private final Address address;

  /// The collateral at an address.
  public Collateral(Chain chain, Address address) {
    this.chain = chain;
    this.address = address;
  }

  /// Where it is.
  public Address address() {
    return address;
  }

  /// In what all is counted: a token.
  public Address unit(At at) throws ChainException {
    return chain.call(address, Abi.call("unit()"), at).address(0);
  }

  /// What can be bonded, in the order of their numbers.
  public List<Asset> assets(At at) throws ChainException {
    long count = chain.call(address, Abi.call("assetCount()"), at).small(0);
    List<Call> calls = new ArrayList<>();
    for (long i = 0; i < Math.min(count, 8); i++) {
      calls.add(Call.to(address, "read", Abi.call("assetAt(uint256)", Abi.uint(i))));
    }
    List<Asset> all = new ArrayList<>();
    for (AbiReader r : chain.calls(calls, at)) {
      all.add(new Asset(r.address(0), r.bool(1), (int) r.small(2), r.amount(3), r.amount(4)));
    }
    return all;
  }

  /// A bond.
  public Bond bond(Address identity, Address arbiter, int asset, At at) throws ChainException {
    AbiReader r = chain.call(address, bondOf(identity, arbiter, asset), at);
    return new Bond(r.amount(0), r.amount(1), r.small(2));
  }

  /// What of one asset is bonded, in its own units.
  record Held(BigInteger active, BigInteger leaving) {}

  /// The bonds of many in all assets.
  ///
  /// @param assets how many there are
  /// @return of each identity, in their order, its bonds in the order of the assets' numbers
  List<List<Held>> held(List<Address> identities, Address arbiter, int assets, At at)
      throws ChainException {
    List<Call> calls = new ArrayList<>();
    for (Address identity : identities) {
      for (int asset = 0; asset < assets; asset++) {
        calls.add(Call.to(address, "read", bondOf(identity, arbiter, asset)));
      }
    }
    Iterator<AbiReader> answers = chain.calls(calls, at).iterator();
    List<List<Held>> all = new ArrayList<>();
    for (int i = 0; i < identities.size(); i++) {
      List<Held> one = new ArrayList<>();
      for (int asset = 0; asset < assets; asset++) {
        AbiReader r = answers.next();
        one.add(new Held(r.uint(0), r.uint(1)));
      }
      all.add(one);
    }
    return all;
  }

  private static byte[] bondOf(Address identity, Address arbiter, int asset) {
    return Abi.call(
        "bondOf(address,address,uint256)",
        Abi.address(identity),
        Abi.address(arbiter),
        Abi.uint(asset));
  }

  /// What an identity has at stake under an arbiter, in the unit.
  public long valueOf(Address identity, Address arbiter, At at) throws ChainException {
    return chain
        .call(
            address,
            Abi.call("valueOf(address,address)", Abi.address(identity), Abi.address(arbiter)),
            at)
        .amount(0);
  }

  /// What slashing brought an account and was not collected, in the asset's own units.
  public long owedTo(int asset, Address account, At at) throws ChainException {
    return chain
        .call(
            address, Abi.call("owedTo(uint256,address)", Abi.uint(asset), Abi.address(account)), at)
        .amount(0);
  }

  /// Bonds the caller's money; the caller approved it at the token before.
  public Call bond(Address identity, Address arbiter, int asset, long amount) {
    return Call.to(
        address,
        "bond for " + identity,
        Abi.call(
            "bond(address,address,uint256,uint256)",
            Abi.address(identity),
            Abi.address(arbiter),
            Abi.uint(asset),
            Abi.uint(amount)));
  }

  /// Takes a part of all that an identity has bonded under the caller, once for each evidence.
  ///
  /// @param permille 1 to 1000
  /// @param evidence hash of what shows the guilt
  /// @param reporter who told, if the caller is the court
  public Call slash(Address identity, int permille, Hash evidence, Address reporter) {
    return Call.to(
        address,
        "slash " + identity,
        Abi.call(
            "slash(address,uint256,bytes32,address)",
            Abi.address(identity),
            Abi.uint(permille),
            Abi.word(evidence),
            Abi.address(reporter)));
  }

  /// Whether an evidence was used before a block: whether the contract would refuse it for that.
  ///
  /// @param slash as [#slash] gives it
  public boolean isUsed(Call slash, Address arbiter, Head at) throws ChainException {
    return chain.refusal(arbiter, slash, at).filter(why -> why.error().equals(USED)).isPresent();
  }

  /// Asks a part of a bond back.
  public Call unbond(Address identity, Address arbiter, int asset, long amount) {
    return Call.to(
        address,
        "unbond",
        Abi.call(
            "unbond(address,address,uint256,uint128)",
            Abi.address(identity),
            Abi.address(arbiter),
            Abi.uint(asset),
            Abi.uint(amount)));
  }

  /// Bonds again what is leaving.
  public Call stay(Address identity, Address arbiter, int asset) {
    return Call.to(
        address,
        "stay bonded",
        Abi.call(
            "stay(address,address,uint256)",
            Abi.address(identity),
            Abi.address(arbiter),
            Abi.uint(asset)));
  }

  /// Takes what has left.
  public Call withdraw(Address identity, Address arbiter, int asset, Address to) {
    return Call.to(
        address,
        "withdraw a bond",
        Abi.call(
            "withdraw(address,address,uint256,address)",
            Abi.address(identity),
            Abi.address(arbiter),
            Abi.uint(asset),
            Abi.address(to)));
  }

  /// Sends an account what slashing brought it.
  public Call collect(int asset, Address account) {
    return Call.to(
        address,
        "collect",
        Abi.call("collect(uint256,address)", Abi.uint(asset), Abi.address(account)));
  }
}
