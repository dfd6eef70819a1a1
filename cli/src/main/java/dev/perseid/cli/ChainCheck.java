package dev.perseid.cli;

import dev.perseid.chain.At;
import dev.perseid.chain.Chain;
import dev.perseid.chain.ChainException;
import dev.perseid.chain.Deployment;
import dev.perseid.chain.Escrow;
import dev.perseid.core.Address;
import dev.perseid.core.Movement;
import dev.perseid.journal.Statement;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import dev.perseid.node.PurseState;
import dev.perseid.node.VoucherTerms;
import java.net.URI;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/// Compares a statement with what the contracts say, over a node that its user chose.
final class ChainCheck {
  private final URI rpc;
  private final Deployment deployment;

  private ChainCheck(URI rpc, Deployment deployment) {
    this.rpc = rpc;
    this.deployment = deployment;
  }

  static ChainCheck of(URI rpc, @Nullable Path deployment) throws BadInput {
    if (deployment == null) {
      throw new BadInput(
          "--check-chain needs --deployment FILE, which says where the contracts are");
    }
    try {
      return new ChainCheck(rpc, Deployment.read(deployment));
    } catch (ChainException e) {
      throw new BadInput(e.text());
    }
  }

  /// @param statement from the beginning until now
  void compare(PoolClient client, Statement statement, List<String> wrong, List<String> checked)
      throws BadInput, PoolFailure {
    VoucherTerms terms = client.terms();
    if (!terms.escrow()) {
      checked.add("this pool is on no chain: there is nothing to compare");
      return;
    }
    if (!terms.contract().equals(deployment.escrow()) || terms.chainId() != deployment.chainId()) {
      wrong.add(
          "the pool's money is in "
              + terms.contract()
              + " on chain "
              + terms.chainId()
              + ", but the deployment names "
              + deployment.escrow()
              + " on chain "
              + deployment.chainId());
      return;
    }
    Address account = statement.account();
    PurseState purse = client.purse(Optional.of(account));
    try (Chain chain = Chain.connect(List.of(rpc), OptionalLong.of(deployment.chainId()))) {
      Escrow escrow = new Escrow(chain, deployment.escrow());
      Escrow.Purse there = escrow.purse(terms.identity(), account, At.latest());
      long paid = escrow.paidTo(terms.identity(), account, At.latest());
      long payouts = statement.out().getOrDefault(Movement.Kind.PAYOUT, 0L);
      same("paid out", payouts, paid, wrong, checked);
      same("in the purse, ever", purse.funded(), there.funded(), wrong, checked);
      same("redeemed", purse.redeemed(), there.spent(), wrong, checked);
    } catch (ChainException e) {
      throw new BadInput(e.text());
    }
  }

  private static void same(
      String what, long books, long chain, List<String> wrong, List<String> checked) {
    if (books == chain) {
      checked.add(what + ": " + Amounts.credits(chain) + ", as the chain says");
    } else {
      wrong.add(
          what
              + ": the pool's books say "
              + Amounts.credits(books)
              + ", the chain "
              + Amounts.credits(chain));
    }
  }
}
