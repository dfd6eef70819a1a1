package dev.perseid.chain;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import java.util.List;
import java.util.Optional;

/// The contract `Registry`: who is who (`docs/contracts.md`).
public final class Registry {
  /// What an identity does; bits of `roles`.
  public static final int POOL = 1;

  public static final int PROVIDER = 2;
  public static final int AUTHOR = 4;

  /// An identity.
  ///
  /// @param sinceS seconds since the epoch
  /// @param keys those in force
  public record Identity(
      Address address,
      Address controller,
      int roles,
      long sinceS,
      Optional<Address> recovery,
      Hash terms,
      String endpoint,
      List<Address> keys) {}

  private final Chain chain;
  private final Address address;

  /// The registry at an address.
  public Registry(Chain chain, Address address) {
    this.chain = chain;
    this.address = address;
  }

  /// Where it is.
  public Address address() {
    return address;
  }

  /// An identity, if it is registered.
  public Optional<Identity> identity(Address identity, At at) throws ChainException {
    AbiReader r =
        chain.call(address, Abi.call("identityOf(address)", Abi.address(identity)), at).tuple(0);
    Address controller = r.address(0);
    if (controller.equals(Address.ZERO)) {
      return Optional.empty();
    }
    Address recovery = r.address(3);
    return Optional.of(
        new Identity(
            identity,
            controller,
            (int) r.small(1),
            r.small(2),
            recovery.equals(Address.ZERO) ? Optional.empty() : Optional.of(recovery),
            r.word(5),
            r.string(6),
            r.addresses(7)));
  }

  /// Whether a key may act for an identity.
  public boolean actsFor(Address key, Address identity, At at) throws ChainException {
    return chain
        .call(
            address,
            Abi.call("actsFor(address,address)", Abi.address(key), Abi.address(identity)),
            at)
        .bool(0);
  }

  /// Whether an address is an identity that calls itself a pool.
  public boolean isPool(Address identity, At at) throws ChainException {
    return chain.call(address, Abi.call("isPool(address)", Abi.address(identity)), at).bool(0);
  }

  /// The identity that answers for what a key signed, if one does.
  public Optional<Address> answersFor(Address key, At at) throws ChainException {
    Address found =
        chain.call(address, Abi.call("answersFor(address)", Abi.address(key)), at).address(0);
    return found.equals(Address.ZERO) ? Optional.empty() : Optional.of(found);
  }

  /// Makes the caller an identity.
  ///
  /// @param recovery who can take it back after a theft; zero to name it later
  /// @param terms SHA-256 of what it stands by
  public Call register(int roles, Address recovery, String endpoint, Hash terms) {
    return Call.to(
        address,
        "register",
        Abi.call(
            "register(uint8,address,string,bytes32)",
            Abi.uint(roles),
            Abi.address(recovery),
            Abi.string(endpoint),
            Abi.word(terms)));
  }

  /// Changes what an identity does and where it is found. For its controller.
  public Call setProfile(Address identity, int roles, String endpoint, Hash terms) {
    return Call.to(
        address,
        "set profile",
        Abi.call(
            "setProfile(address,uint8,string,bytes32)",
            Abi.address(identity),
            Abi.uint(roles),
            Abi.string(endpoint),
            Abi.word(terms)));
  }

  /// Adds a key to an identity. For its controller.
  ///
  /// @param consent the key's signature of [dev.perseid.settle.Digests#keyConsent]
  public Call addKey(Address identity, Address key, long deadlineS, String consent) {
    return Call.to(
        address,
        "add key " + key,
        Abi.call(
            "addKey(address,address,uint64,bytes)",
            Abi.address(identity),
            Abi.address(key),
            Abi.uint(deadlineS),
            Abi.bytes(Token.signature(consent))));
  }

  /// Retires a key of an identity, for ever. For its controller.
  public Call retireKey(Address identity, Address key) {
    return Call.to(
        address,
        "retire key " + key,
        Abi.call("retireKey(address,address)", Abi.address(identity), Abi.address(key)));
  }
}
