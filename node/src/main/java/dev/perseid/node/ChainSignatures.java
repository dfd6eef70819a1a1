package dev.perseid.node;

import dev.perseid.chain.At;
import dev.perseid.chain.Chain;
import dev.perseid.chain.ChainException;
import dev.perseid.chain.SignatureChecker;
import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.settle.Key;
import java.util.concurrent.Semaphore;

/// Knows keys, and asks contracts on the pool's chain (ERC-1271). The key comes first: an account
/// with code may have one as well (EIP-7702), and then the chain is not asked. What a contract says
/// is not remembered: it may say something else in the next block.
final class ChainSignatures implements Signatures {
  /// The way to the chain, which may not be there yet.
  interface Connection {
    /// @throws Vault.Trouble if it does not answer
    Chain chain() throws Vault.Trouble;
  }

  private final Connection connection;
  private final Semaphore asking = new Semaphore(PoolLimits.CONTRACTS_ASKED);

  ChainSignatures(Connection connection) {
    this.connection = connection;
  }

  @Override
  public Verdict look(Address account, Hash digest, String signature) {
    if (Key.verify(digest, signature, account)) {
      return new Verdict.Signed();
    }
    if (!asking.tryAcquire()) {
      return new Verdict.Unknown(
          "the pool asks as many smart accounts as it may: try again in a few seconds");
    }
    try {
      boolean signed =
          new SignatureChecker(connection.chain()).signed(account, digest, signature, At.latest());
      return signed
          ? new Verdict.Signed()
          : new Verdict.NotSigned(
              "is not by the key of "
                  + account
                  + ", and the pool's chain has no contract there that says that it signed this"
                  + " (ERC-1271)");
    } catch (ChainException | Vault.Trouble e) {
      return new Verdict.Unknown(
          "whether the smart account "
              + account
              + " signed this cannot be told, because the pool's chain does not answer: try again"
              + " later");
    } finally {
      asking.release();
    }
  }
}
