package dev.perseid.chain;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.settle.Key;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Optional;

/// Whether an account signed something: by its key, or by its code (ERC-1271). An account with code
/// may have a key as well (EIP-7702), so the key is tried first. Safe for any thread.
public final class SignatureChecker {
  private static final byte[] MAGIC = Abi.selector("isValidSignature(bytes32,bytes)");
  private static final int MOST_BYTES = 16 * 1024;

  private final Chain chain;

  /// Over a chain.
  public SignatureChecker(Chain chain) {
    this.chain = chain;
  }

  /// Whether `account` signed the digest, as of a block. Costs no question to the chain if the key
  /// did. A contract gets 200,000 gas to answer, as in the contracts.
  ///
  /// @param signature hexadecimal digits, with or without `0x`
  public boolean signed(Address account, Hash digest, String signature, At at)
      throws ChainException {
    if (Key.verify(digest, signature, account)) {
      return true;
    }
    String hex = signature.startsWith("0x") ? signature.substring(2) : signature;
    byte[] bytes;
    if (hex.length() > 2 * MOST_BYTES || hex.length() % 2 != 0) {
      return false;
    }
    try {
      bytes = HexFormat.of().parseHex(hex);
    } catch (IllegalArgumentException e) {
      return false;
    }
    if (chain.code(account, at).length == 0) {
      return false;
    }
    Optional<byte[]> said =
        chain.tryCall(
            account,
            Abi.call("isValidSignature(bytes32,bytes)", Abi.word(digest), Abi.bytes(bytes)),
            Limits.ERC1271_GAS,
            at);
    return said.isPresent()
        && said.get().length >= 32
        && Arrays.equals(said.get(), 0, 32, Arrays.copyOf(MAGIC, 32), 0, 32);
  }
}
