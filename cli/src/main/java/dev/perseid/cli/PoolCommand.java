package dev.perseid.cli;

import dev.perseid.node.PoolNode;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.ParentCommand;

/// `perseid pool`.
@Command(
    name = "pool",
    description = "Run a pool until it is stopped, or see to its money as its operator.",
    subcommands = {
      PoolMoneyCommands.Show.class,
      PoolMoneyCommands.Settle.class,
      PoolMoneyCommands.Move.class,
      PoolMoneyCommands.RequireVouchers.class
    })
final class PoolCommand implements Callable<Integer> {
  @ParentCommand private Main main = Unset.main();
  @Mixin private Shared shared = new Shared();
  @Mixin private Serving.PoolOptions options = new Serving.PoolOptions();

  Main main() {
    return main;
  }

  @Override
  public Integer call() throws BadInput, IOException, InterruptedException {
    Serving serving = new Serving(main.screen(), shared.json);
    serving.stopOnSignal();
    PoolNode pool = serving.pool(main.home(), options, 0);
    return serving.await(List.of(pool::failure));
  }
}
