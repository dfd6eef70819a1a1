package dev.perseid.cli;

import dev.perseid.cli.genomics.DemoReads;
import dev.perseid.cli.genomics.Genome;
import dev.perseid.node.PoolFailure;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;

/// `perseid demo`.
@Command(
    name = "demo",
    description =
        "Map real sequencing reads to a genome on a pool and three providers, all on this machine;"
            + " then show the result, the records, the bill and the receipts. Then publish two models,"
            + " serve them at two prices and ask them, by OpenAI's own client where Node and npm are"
            + " installed.")
final class DemoCommand implements Callable<Integer> {
  @ParentCommand private Main main = Unset.main();
  @Mixin private Shared shared = new Shared();

  @Option(
      names = "--out",
      paramLabel = "FOLDER",
      defaultValue = "demo-results",
      description = "Where the results go; default: ${DEFAULT-VALUE}.")
  private Path out = Path.of("demo-results");

  @Option(
      names = "--money",
      paramLabel = "credits|chain",
      description =
          "What it settles on; default: a chain of this machine where npm can fetch one, else"
              + " credits.")
  private @Nullable String money;

  private DemoChain.Wish wish() throws BadInput {
    if (money == null) {
      return DemoChain.Wish.AUTO;
    }
    return switch (money) {
      case "credits" -> DemoChain.Wish.CREDITS;
      case "chain" -> DemoChain.Wish.CHAIN;
      default -> throw new BadInput("--money: write credits or chain, not '" + money + "'");
    };
  }

  @Override
  public Integer call() throws BadInput, PoolFailure, IOException, InterruptedException {
    Path example = Path.of(System.getProperty("perseid.home", ".")).resolve("examples/genomics");
    if (!Files.isDirectory(example)) {
      throw new BadInput(
          "the example is missing: " + example + "; run ./perseid demo from a whole checkout");
    }
    DemoChain.Wish wish = wish();
    Serving serving = new Serving(main.screen(), shared.json);
    serving.stopOnSignal();
    try {
      String fasta = Files.readString(example.resolve("data/lambda.fa"));
      DemoReads reads = DemoReads.of(DemoReads.PACKAGED, Genome.parse(fasta));
      Path kept = Path.of(System.getProperty("user.home"), ".cache", "perseid");
      Demo demo = new Demo(main.screen(), serving, example, reads, out, kept, wish, shared.json);
      return demo.run() ? Exit.OK : Exit.FAILED;
    } finally {
      serving.stop();
    }
  }
}
