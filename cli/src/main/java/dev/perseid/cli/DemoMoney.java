package dev.perseid.cli;

import dev.perseid.core.Address;
import dev.perseid.core.JobId;
import dev.perseid.node.Payer;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import dev.perseid.node.ReceiptCounter;
import dev.perseid.node.Wallet;
import dev.perseid.wire.Malformed;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.MoneyProto;
import dev.perseid.wire.v1.Proto;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// The demo's consumer and its purse: pays as work proceeds where the pool asks for vouchers, and
/// shows at the end what was settled.
final class DemoMoney implements AutoCloseable {
  private final Optional<DemoChain> chain;
  private final PoolClient operator;
  private final PoolClient client;
  private final Optional<Wallet> wallet;
  private final Consumer<String> notices;
  private final Map<Address, Long> before = new LinkedHashMap<>();
  private @Nullable Payer payer;

  /// @param client the consumer's; closed with this
  DemoMoney(
      Optional<DemoChain> chain, PoolClient operator, PoolClient client, Consumer<String> notices)
      throws PoolFailure {
    this.chain = chain;
    this.operator = operator;
    this.client = client;
    this.notices = notices;
    this.wallet =
        client.terms().vouched()
            ? Optional.of(client.wallet(new ReceiptCounter(client), Optional.empty(), notices))
            : Optional.empty();
  }

  PoolClient client() {
    return client;
  }

  Optional<DemoChain> chain() {
    return chain;
  }

  /// Waits until the pool knows what the consumer has.
  void await(long amount) throws PoolFailure, IOException, InterruptedException {
    long begun = System.nanoTime();
    while (client.account(Optional.empty()).balance() < amount) {
      if (System.nanoTime() - begun > DemoLimits.READY_NS) {
        throw new IOException(
            "the pool did not see the deposit: " + operator.moneyStatus().getTrouble());
      }
      TimeUnit.MILLISECONDS.sleep(50);
    }
  }

  /// Pays for a job as it proceeds.
  void pay(long budget) {
    if (wallet.isPresent() && payer == null) {
      payer = Payer.start(client, wallet.get(), Payer.usualWindow(budget), notices);
    }
  }

  /// Promises to pay for requests that come with an API key.
  void promise(long microcredits) throws PoolFailure {
    if (wallet.isPresent()) {
      wallet.get().cover(client.purse(Optional.empty()), microcredits, microcredits);
    }
  }

  /// Settles, and tells what came of it.
  ///
  /// @param names of the providers
  /// @param job whose receipts one is taken of
  /// @param tasks how many tasks and requests were settled
  boolean settle(Map<Address, String> names, JobId job, int tasks, Consumer<String> say)
      throws PoolFailure, IOException, InterruptedException {
    DemoChain on = chain.orElseThrow();
    long inPurse = on.inPurse(operator.pool(), client.self());
    for (Address provider : names.keySet()) {
      before.put(provider, on.has(provider));
    }
    long poolBefore = on.has(operator.pool());
    long begun = System.nanoTime();
    Payer paying = payer;
    if (paying != null) {
      paying.close();
      payer = null;
    }
    MoneyProto.SettleReply settled = operator.settle();
    long tookNs = System.nanoTime() - begun;
    say.accept(PoolMoneyCommands.line(settled));
    Table table = new Table("play dollars on the chain", ">before", ">after");
    table.row(
        "the consumer's purse", plain(inPurse), plain(on.inPurse(operator.pool(), client.self())));
    for (Map.Entry<Address, Long> e : before.entrySet()) {
      table.row(
          names.getOrDefault(e.getKey(), "?"), plain(e.getValue()), plain(on.has(e.getKey())));
    }
    table.row("the pool's account", plain(poolBefore), plain(on.has(operator.pool())));
    table.lines().forEach(say);
    say.accept(
        Amounts.exact(settled.getGas())
            + " gas for "
            + tasks
            + " tasks and requests: "
            + settled.getGas() / Math.max(1, tasks)
            + " gas each; contracts, registration and deposit took "
            + Amounts.exact(on.oneOffGas())
            + " once");
    say.accept("last voucher, settlement and its confirmation took " + Amounts.duration(tookNs));
    List<String> receipts = new ArrayList<>();
    client.receipts(job, receipts::add);
    Address payee = names.keySet().iterator().next();
    String verified = on.verified(operator, payee, receipts.getFirst());
    say.accept(verified);
    boolean paid = settled.getGas() > 0 && client.purse(Optional.empty()).redeemed() > 0;
    return paid && !verified.startsWith("NOT") && allPaid(names, say);
  }

  /// Whether every provider has on the chain what the books say it was paid, and is owed nothing
  /// but what is withheld while results count on its word alone.
  private boolean allPaid(Map<Address, String> names, Consumer<String> say)
      throws PoolFailure, IOException {
    Map<Address, Long> retained = retained();
    long withheld = 0;
    for (Address provider : names.keySet()) {
      PoolClient.Account account = operator.account(Optional.of(provider));
      boolean owed = account.due() > retained.getOrDefault(provider, 0L);
      if (owed || chain.orElseThrow().has(provider) != account.paid()) {
        notices.accept("NOT paid: " + provider + " is due " + account.due());
        return false;
      }
      withheld += account.due();
    }
    if (withheld > 0) {
      say.accept(
          Amounts.credits(withheld)
              + " of what providers earned are withheld for seven days, as results count on their"
              + " word alone (docs/trust.md)");
    }
    return true;
  }

  private Map<Address, Long> retained() throws PoolFailure {
    Map<Address, Long> retained = new HashMap<>();
    for (Proto.ProviderView view : operator.providers()) {
      try {
        retained.put(Translation.read(view.getOffer()).provider(), view.getRetained());
      } catch (Malformed e) {
        throw new IllegalStateException("the pool named a provider badly: " + e.getMessage(), e);
      }
    }
    return retained;
  }

  private static String plain(long microcredits) {
    return Amounts.credits(microcredits).replace(" credits", "");
  }

  @Override
  public void close() {
    Payer paying = payer;
    if (paying != null) {
      paying.close();
    }
    client.close();
  }
}
