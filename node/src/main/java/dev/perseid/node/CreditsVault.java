package dev.perseid.node;

import dev.perseid.core.Command;
import dev.perseid.core.Epoch;
import dev.perseid.core.Money;
import java.util.List;

/// The vault of credits: they live in the pool's log and nowhere else. Nothing happens outside, and
/// an epoch is settled by saying so.
final class CreditsVault implements Vault {
  @Override
  public boolean holds(Money money) {
    return switch (money) {
      case Money.Credits _ -> true;
      case Money.Escrow _ -> false;
    };
  }

  @Override
  public News news(Books books) {
    return News.NONE;
  }

  @Override
  public Step settle(Epoch epoch) {
    return new Step.Settled(List.of(), new Command.ConfirmEpoch(epoch.number()));
  }

  @Override
  public void close() {}
}
