package dev.perseid.cli;

import dev.perseid.core.JobId;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;

/// `perseid receipts`.
@Command(
    name = "receipts",
    description =
        "Fetch a job's receipts: signed records with proofs, one JSON document a line, which"
            + " `perseid verify` checks offline.")
final class ReceiptsCommand implements Callable<Integer> {
  @ParentCommand private Main main = Unset.main();
  @Mixin private Shared shared = new Shared();
  @Mixin private AtPool at = new AtPool();

  @Parameters(
      paramLabel = "JOB",
      arity = "0..1",
      description = "Its id, or requests for all you asked of models; default: the newest.")
  private @Nullable String job;

  @Option(
      names = {"-o", "--out"},
      paramLabel = "FILE",
      description = "Where they go; default: receipts-<job>.jsonl; - is standard output.")
  private @Nullable String out;

  @Option(
      names = "--at-size",
      paramLabel = "N",
      description =
          "As they were when the pool's log had N records; default: as they are. 'perseid court"
              + " check' says which N it needs.")
  private @Nullable Long atSize;

  private void fetch(PoolClient client, JobId id, Consumer<String> taker) throws PoolFailure {
    if (atSize == null) {
      client.receipts(id, taker);
    } else {
      client.receiptsAt(id, atSize, taker);
    }
  }

  @Override
  public Integer call() throws BadInput, PoolFailure, IOException {
    if (atSize != null && atSize < 1) {
      throw new BadInput("--at-size: write 1 or more");
    }
    try (PoolClient client = at.connect(main)) {
      JobId id = AtPool.job(client, job);
      if ("-".equals(out)) {
        fetch(client, id, receipt -> main.screen().out().println(receipt));
        return Exit.OK;
      }
      Path file =
          Path.of(out == null ? "receipts-" + id.toString().substring(0, 8) + ".jsonl" : out);
      AtomicLong count = new AtomicLong();
      try (PrintStream lines =
          new PrintStream(
              new BufferedOutputStream(Files.newOutputStream(file)),
              false,
              StandardCharsets.UTF_8)) {
        fetch(
            client,
            id,
            receipt -> {
              lines.println(receipt);
              count.incrementAndGet();
            });
        if (lines.checkError()) {
          throw new IOException(file + " could not be written: is the disk full?");
        }
      }
      if (shared.json) {
        main.screen()
            .json(json -> {
              json.writeStartObject();
              json.writeStringField("file", file.toString());
              json.writeNumberField("receipts", count.get());
              json.writeEndObject();
            });
      } else {
        main.screen().say(count + " receipts in " + file + "; check them: perseid verify " + file);
      }
    }
    return Exit.OK;
  }
}
