package dev.perseid.chain;

import dev.perseid.core.Address;
import java.math.BigInteger;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.function.BiConsumer;

/// Puts the contracts onto a chain.
public final class Deployer {
  /// What is decided for ever when they are deployed.
  ///
  /// @param token that the escrow holds and bonds are counted in; none: a `TestDollar` is made
  /// @param sink where slashed money goes
  /// @param bondCap most of the token that may be bonded, by all together
  /// @param challengeDepositWei what goes with a challenge
  public record Plan(
      Optional<Address> token, Address sink, long bondCap, BigInteger challengeDepositWei) {
    /// Nobody's address: what is slashed is gone.
    public static final Address NOBODY =
        Address.parse("0x000000000000000000000000000000000000dead");
  }

  private final Outbox outbox;
  private final Duration most;
  private final long pollMs;

  /// Over an outbox.
  ///
  /// @param most how long each contract may take until it is final
  /// @param pollMs pause between two looks
  public Deployer(Outbox outbox, Duration most, long pollMs) {
    this.outbox = outbox;
    this.most = most;
    this.pollMs = pollMs;
  }

  /// Deploys all of them, or goes on where it was cut off under the same name.
  ///
  /// @param name of this deployment within the outbox
  /// @param notice hears of each contract and its receipt
  public Deployment deploy(String name, Plan plan, BiConsumer<String, Receipt> notice)
      throws ChainException {
    Chain chain = outbox.chain();
    if (plan.token().isPresent()) {
      new Token(chain, plan.token().get()).check();
    }
    long fromBlock = chain.head().number();
    Address token =
        plan.token().isPresent()
            ? plan.token().get()
            : one(name, "token", Artifact.TEST_DOLLAR.creation(), notice);
    Address registry = one(name, "registry", Artifact.REGISTRY.creation(), notice);
    Address escrow =
        one(
            name,
            "escrow",
            Artifact.ESCROW.creation(Abi.address(token), Abi.address(registry)),
            notice);
    Address court =
        one(
            name,
            "court",
            Artifact.COURT.creation(
                Abi.address(registry), Abi.address(escrow), Abi.uint(plan.challengeDepositWei())),
            notice);
    Collateral.Asset asset = new Collateral.Asset(token, false, 0, plan.bondCap(), 0);
    Address collateral =
        one(
            name,
            "collateral",
            Artifact.COLLATERAL.creation(
                Abi.address(token),
                Abi.address(registry),
                Abi.address(court),
                Abi.address(plan.sink()),
                Abi.array(List.of(asset.abi()))),
            notice);
    return new Deployment(chain.id(), token, registry, escrow, court, collateral, fromBlock);
  }

  private Address one(String name, String part, Call call, BiConsumer<String, Receipt> notice)
      throws ChainException {
    String both = name + "/" + part;
    outbox.submit(both, call, Outbox.Again.NEVER);
    return switch (outbox.await(both, most, pollMs)) {
      case Outbox.State.Done(Receipt receipt) -> {
        notice.accept(part, receipt);
        yield receipt
            .created()
            .orElseThrow(
                () -> ChainException.untrusted("the node does not say where the " + part + " is"));
      }
      case Outbox.State other ->
          throw new ChainException(
              ChainException.Kind.REFUSED,
              "the " + part + " was not deployed: " + Outbox.describe(other));
    };
  }
}
