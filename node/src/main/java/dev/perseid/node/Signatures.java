package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.settle.Key;

/// Whether an account signed something. An account is a key, or a contract that says for itself
/// what it signed (ERC-1271); only a pool with a chain can ask contracts. May block while it does.
interface Signatures {
  /// What came of looking at a signature.
  sealed interface Verdict {
    /// The account signed it.
    record Signed() implements Verdict {}

    /// It did not.
    ///
    /// @param why ends a sentence that began with what was looked at
    record NotSigned(String why) implements Verdict {}

    /// It cannot be told now: the chain does not answer.
    record Unknown(String why) implements Verdict {}
  }

  /// Looks at a signature.
  ///
  /// @param signature hexadecimal digits; 65 bytes of a key, or what the contract expects
  Verdict look(Address account, Hash digest, String signature);

  /// Knows keys only.
  Signatures KEYS =
      (account, digest, signature) ->
          Key.verify(digest, signature, account)
              ? new Verdict.Signed()
              : new Verdict.NotSigned(
                  "is not by the key of "
                      + account
                      + " (smart accounts, which have no key, cannot sign here: this pool is"
                      + " connected to no chain)");
}
