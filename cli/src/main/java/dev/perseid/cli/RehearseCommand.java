package dev.perseid.cli;

import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import dev.perseid.settle.Key;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ParentCommand;

/// What the launcher runs once after a build, so that the JVM can keep the classes that commands
/// load: reads a job, makes a key and fails to reach a pool.
@Command(name = "rehearse", hidden = true, description = "Load what other commands load.")
final class RehearseCommand implements Callable<Integer> {
  /// Nothing listens at the discard port of this machine.
  private static final PoolClient.Target NOBODY =
      new PoolClient.Target("127.0.0.1", 9, Optional.empty());

  @ParentCommand private Main main = Unset.main();

  @Override
  public Integer call() {
    Path example = Path.of(System.getProperty("perseid.home", "."), "examples/genomics/job.yaml");
    try {
      main.screen()
          .say(
              JobReader.read(example, Map.of("data/reads.fq", example), LocalFiles.Stored.NONE)
                  .name());
      PoolClient.connect(NOBODY, Key.generate(), PoolClient.Role.CONSUMER).close();
    } catch (BadInput | PoolFailure e) {
      main.screen().note(String.valueOf(e.getMessage()));
    }
    main.screen().json(json -> json.writeNumber(0));
    main.screen().say(new Table("rehearsed").row(Amounts.bytes(1_000_000)).lines());
    return Exit.OK;
  }
}
