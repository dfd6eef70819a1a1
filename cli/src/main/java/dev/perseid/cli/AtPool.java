package dev.perseid.cli;

import dev.perseid.core.JobId;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import dev.perseid.wire.v1.Proto;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// Options of every command that talks to a pool.
final class AtPool {
  /// In place of a job: all of the caller's requests to models.
  static final String REQUESTS = "requests";

  private static final int NEWEST_JOBS = 1_000;

  @Option(
      names = "--pool",
      paramLabel = "HOST:PORT@0xADDRESS",
      description =
          "The pool; default: PERSEID_POOL, the config file, or the pool that runs on this machine.")
  @Nullable String pool;

  @Option(
      names = "--key",
      paramLabel = "NAME",
      defaultValue = "consumer",
      description = "Which key of ~/.perseid/keys to use; default: ${DEFAULT-VALUE}.")
  String key = "consumer";

  PoolClient connect(Main main) throws BadInput, PoolFailure {
    Home home = main.home();
    return PoolClient.connect(
        home.pool(Optional.ofNullable(pool)), home.key(key), PoolClient.Role.CONSUMER);
  }

  /// As the pool's operator, with the pool's own key, which must be here.
  PoolClient connectAsOperator(Main main) throws BadInput, PoolFailure {
    Home home = main.home();
    return PoolClient.connect(
        home.pool(Optional.ofNullable(pool)), home.key("pool"), PoolClient.Role.OPERATOR);
  }

  /// The job that somebody means: by its id, by the first digits of it, or the newest.
  static JobId job(PoolClient client, @Nullable String text) throws BadInput, PoolFailure {
    if (text != null && text.equals(REQUESTS)) {
      return JobId.tab(client.self());
    }
    if (text != null && text.matches("[0-9a-f]{32}")) {
      return JobId.parse(text);
    }
    if (text != null && !text.matches("[0-9a-f]{4,31}")) {
      throw new BadInput(
          "'"
              + text
              + "' is no job; write its id, at least its first 4 digits (see: perseid jobs), or requests");
    }
    List<JobId> found = new ArrayList<>();
    for (Proto.JobProgress job : client.list(false, NEWEST_JOBS)) {
      JobId id = Progress.id(job);
      if (text == null) {
        return id;
      }
      if (id.toString().startsWith(text)) {
        found.add(id);
      }
    }
    if (found.size() == 1) {
      return found.getFirst();
    }
    throw new BadInput(
        text == null
            ? "you have no jobs in this pool; start one with: perseid run JOB"
            : found.isEmpty()
                ? "no job of yours begins with " + text + "; see: perseid jobs"
                : found.size() + " jobs begin with " + text + "; write more digits");
  }
}
