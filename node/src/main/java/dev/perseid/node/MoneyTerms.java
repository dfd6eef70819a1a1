package dev.perseid.node;

import dev.perseid.core.Address;
import java.math.BigInteger;
import java.net.URI;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/// How a pool settles, and on which chain if it is on one or is to move to one.
///
/// @param chain the escrow, if there is one
/// @param epochMs between two settlements that come by themselves
/// @param leastGain a voucher that brings less waits for a later epoch, microcredits
/// @param leastPush who is due less claims it, microcredits
public record MoneyTerms(Optional<ChainAt> chain, long epochMs, long leastGain, long leastPush) {
  /// No chain, a settlement a day, everything counts.
  public static final MoneyTerms NONE =
      new MoneyTerms(Optional.empty(), MoneyLimits.EPOCH_MS, 1, 1);

  /// An escrow on a chain.
  ///
  /// @param rpc addresses of nodes; several must agree
  /// @param deployment the file that says where the contracts are
  /// @param identity the pool's registered identity; its own key if it is missing
  /// @param mostWei what a unit of gas may cost at most
  /// @param confirmations how deep a block must be to count
  public record ChainAt(
      List<URI> rpc,
      Path deployment,
      Optional<Address> identity,
      BigInteger mostWei,
      int confirmations) {
    /// @throws IllegalArgumentException with what is wrong and what to write instead
    public ChainAt {
      rpc = List.copyOf(rpc);
      if (rpc.isEmpty()) {
        throw new IllegalArgumentException("an escrow needs the address of a node: --rpc URL");
      }
      if (confirmations < 1 || mostWei.signum() <= 0) {
        throw new IllegalArgumentException(
            "confirmations and the highest price of gas must be above zero");
      }
    }
  }

  /// @throws IllegalArgumentException with what is wrong and what to write instead
  public MoneyTerms {
    if (epochMs < MoneyLimits.LEAST_EPOCH_MS) {
      throw new IllegalArgumentException(
          "a settlement every "
              + epochMs
              + " ms: write at least "
              + MoneyLimits.LEAST_EPOCH_MS
              + " ms");
    }
    if (leastGain < 0 || leastPush < 0) {
      throw new IllegalArgumentException("the least gain and the least payout must not be below 0");
    }
  }

  /// The same with an escrow.
  public MoneyTerms with(ChainAt at) {
    return new MoneyTerms(Optional.of(at), epochMs, leastGain, leastPush);
  }
}
