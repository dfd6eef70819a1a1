package dev.perseid.chain;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.settle.Digests;
import dev.perseid.settle.TokenAuthorization;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Optional;

/// A token: ERC-20 with EIP-3009 (payments by signature), as dollars on chains are. Amounts are the
/// token's own units.
public final class Token {
  static final Hash TRANSFER = Abi.topic("Transfer(address,address,uint256)");

  /// What EIP-712 calls a token; it stands in x402's offers.
  ///
  /// @param domain its domain separator
  public record Name(String name, String version, Hash domain) {}

  /// Decimals of the tokens that we can use: one unit is one microcredit.
  public static final int DECIMALS = 6;

  private static final Address NOBODY_ELSE =
      Address.parse("0x0000000000000000000000000000000000000001");

  private final Chain chain;
  private final Address address;

  /// The token at an address.
  public Token(Chain chain, Address address) {
    this.chain = chain;
    this.address = address;
  }

  /// Where it is.
  public Address address() {
    return address;
  }

  /// Refuses what cannot be used: no contract, other decimals, no EIP-3009.
  public void check() throws ChainException {
    String who = "the token " + address + " on chain " + chain.id();
    if (chain.code(address, At.latest()).length == 0) {
      throw ChainException.input(
          who + " is no contract: name a token of this chain, e.g. a dollar's address");
    }
    long decimals;
    try {
      decimals = chain.call(address, Abi.call("decimals()"), At.latest()).small(0);
    } catch (ChainException e) {
      throw unlessSilent(e, who + " does not say its decimals: it is no token of ERC-20");
    }
    if (decimals != DECIMALS) {
      throw ChainException.input(
          who + " has " + decimals + " decimals; only tokens with 6 can be used, as dollars have");
    }
    try {
      chain.call(address, authorizationStateOf(NOBODY_ELSE, Hash.ZERO), At.latest()).bool(0);
      domain(At.latest());
    } catch (ChainException e) {
      throw unlessSilent(
          e, who + " does not take payments by signature (EIP-3009), which deposits and x402 need");
    }
  }

  private static ChainException unlessSilent(ChainException e, String otherwise) {
    return switch (e.kind()) {
      case REVERTED, UNTRUSTED -> ChainException.input(otherwise);
      case UNREACHABLE, WRONG_CHAIN, REFUSED, POOR, DEAR, INPUT -> e;
    };
  }

  // ---- to read ----------------------------------------------------------------------------------

  /// What an account has; what is more than 2^63 - 1 counts as that much.
  public long balanceOf(Address account, At at) throws ChainException {
    return chain.call(address, balanceOf(account), at).amount(0);
  }

  static byte[] balanceOf(Address account) {
    return Abi.call("balanceOf(address)", Abi.address(account));
  }

  /// What a spender may still take from an owner.
  public long allowance(Address owner, Address spender, At at) throws ChainException {
    return chain
        .call(
            address,
            Abi.call("allowance(address,address)", Abi.address(owner), Abi.address(spender)),
            at)
        .amount(0);
  }

  /// Whether an authorization was used or cancelled (EIP-3009).
  public boolean authorizationState(Address authorizer, Hash nonce, At at) throws ChainException {
    return chain.call(address, authorizationStateOf(authorizer, nonce), at).bool(0);
  }

  private static byte[] authorizationStateOf(Address authorizer, Hash nonce) {
    return Abi.call(
        "authorizationState(address,bytes32)", Abi.address(authorizer), Abi.word(nonce));
  }

  /// Its domain separator.
  public Hash domain(At at) throws ChainException {
    return chain.call(address, Abi.call("DOMAIN_SEPARATOR()"), at).word(0);
  }

  /// How it is called in EIP-712: by EIP-5267 if it has that, else by `name` and `version`. The
  /// answer is checked against the domain separator.
  public Name name(At at) throws ChainException {
    Hash domain = domain(at);
    String name;
    String version;
    Optional<byte[]> described =
        chain.tryCall(address, Abi.call("eip712Domain()"), Limits.ERC1271_GAS, at);
    if (described.isPresent() && described.get().length >= 7 * 32) {
      AbiReader reader = new AbiReader(described.get());
      name = reader.string(1);
      version = reader.string(2);
    } else {
      name = chain.call(address, Abi.call("name()"), at).string(0);
      Optional<byte[]> said = chain.tryCall(address, Abi.call("version()"), Limits.ERC1271_GAS, at);
      version = said.isPresent() ? new AbiReader(said.get()).string(0) : "1";
    }
    if (!Digests.tokenDomain(name, version, chain.id(), address).equals(domain)) {
      throw ChainException.input(
          "the token "
              + address
              + " signs under another domain than its name and version say: it cannot be used");
    }
    return new Name(name, version, domain);
  }

  /// Its symbol, for people; its address if it does not say.
  public String symbol(At at) throws ChainException {
    Optional<byte[]> said = chain.tryCall(address, Abi.call("symbol()"), Limits.ERC1271_GAS, at);
    if (said.isPresent()) {
      try {
        String symbol = new AbiReader(said.get()).string(0);
        if (symbol.matches("[\\p{Alnum}.$-]{1,16}")) {
          return symbol;
        }
      } catch (ChainException e) {
        // An old token says it as bytes32; the address will do.
      }
    }
    return address.toString();
  }

  // ---- to do ------------------------------------------------------------------------------------

  /// Sends an amount.
  public Call transfer(Address to, long amount) {
    return Call.to(
        address,
        "transfer to " + to,
        Abi.call("transfer(address,uint256)", Abi.address(to), Abi.uint(amount)));
  }

  /// Lets a spender take up to an amount.
  public Call approve(Address spender, long amount) {
    return Call.to(
        address,
        "approve " + spender,
        Abi.call("approve(address,uint256)", Abi.address(spender), Abi.uint(amount)));
  }

  /// Makes money out of nothing: of a `TestDollar` only.
  public Call mint(Address to, long amount) {
    return Call.to(
        address,
        "mint to " + to,
        Abi.call("mint(address,uint256)", Abi.address(to), Abi.uint(amount)));
  }

  /// Takes what was signed for the caller (EIP-3009).
  ///
  /// @param signature 65 bytes as hexadecimal digits, as [dev.perseid.settle.Key#sign] makes them
  public Call receiveWithAuthorization(TokenAuthorization a, String signature) {
    return authorized("receiveWithAuthorization", a, signature);
  }

  /// Brings what was signed to its receiver (EIP-3009; x402's `exact`).
  ///
  /// @param signature 65 bytes as hexadecimal digits, as [dev.perseid.settle.Key#sign] makes them
  public Call transferWithAuthorization(TokenAuthorization a, String signature) {
    return authorized("transferWithAuthorization", a, signature);
  }

  private Call authorized(String function, TokenAuthorization a, String signature) {
    byte[] s = signature(signature);
    return Call.to(
        address,
        function + " from " + a.from(),
        Abi.call(
            function + "(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)",
            Abi.address(a.from()),
            Abi.address(a.to()),
            Abi.uint(a.value()),
            Abi.uint(a.validAfterS()),
            Abi.uint(a.validBeforeS()),
            Abi.word(a.nonce()),
            Abi.uint(s[64]),
            Abi.word(Hash.of(s, 0)),
            Abi.word(Hash.of(s, 32))));
  }

  /// The 65 bytes of a key's signature.
  static byte[] signature(String hex) {
    byte[] bytes = HexFormat.of().parseHex(hex.startsWith("0x") ? hex.substring(2) : hex);
    if (bytes.length != 65 || (bytes[64] != 27 && bytes[64] != 28)) {
      throw new IllegalArgumentException("a key's signature has 65 bytes, the last 27 or 28");
    }
    return bytes;
  }

  /// `r` and `vs` of EIP-2098.
  static byte[] compact(String hex) {
    byte[] s = signature(hex);
    byte[] out = Arrays.copyOf(s, 64);
    out[32] = (byte) (out[32] | (s[64] - 27) << 7);
    return out;
  }
}
