package dev.perseid.cli;

import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import dev.perseid.settle.Key;
import java.nio.file.Path;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ParentCommand;

/// What the launcher runs once after a build, so that the JVM can keep the classes that commands
/// load: reads a job, makes a key, fails to reach a pool and asks an empty table of records.
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
    try (RecordTable records = RecordTable.open(QueryLimits.MEMORY_MIB)) {
      records.query("SELECT count(*) FROM records", QueryLimits.SECONDS, new Counted());
    } catch (SQLException e) {
      main.screen().note(QueryCommand.text(e));
    }
    main.screen().json(json -> json.writeNumber(0));
    main.screen().say(new Table("rehearsed").row(Amounts.bytes(1_000_000)).lines());
    return Exit.OK;
  }

  private final class Counted implements RecordTable.Answer {
    @Override
    public void columns(List<String> names, boolean[] numbers) {
      main.screen().note(String.join(" ", names));
    }

    @Override
    public boolean row(ResultSet row) throws SQLException {
      main.screen().note(String.valueOf(row.getObject(1)));
      return true;
    }
  }
}
