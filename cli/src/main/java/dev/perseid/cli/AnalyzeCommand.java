package dev.perseid.cli;

import dev.perseid.journal.Findings;
import dev.perseid.journal.Trace;
import dev.perseid.journal.TraceFailure;
import dev.perseid.journal.TracePage;
import dev.perseid.node.PoolFailure;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;

/// `perseid analyze`: what records tell.
@Command(
    name = "analyze",
    description =
        "Say where the time of a run went, what held it back, and what would make it faster.")
final class AnalyzeCommand implements Callable<Integer> {
  @ParentCommand private Main main = Unset.main();
  @Mixin private Shared shared = new Shared();
  @Mixin private AtPool at = new AtPool();

  @Parameters(
      paramLabel = "FILE|JOB",
      arity = "0..1",
      description =
          "A record file of the engine, a WfFormat instance, Nextflow's trace.txt or a log in the Standard"
              + " Workload Format; or a job's id, requests for all you asked of models; default: the"
              + " newest job.")
  private @Nullable String what;

  @Option(
      names = "--run",
      paramLabel = "N",
      description = "Of an engine's file, only this run; default: all.")
  private @Nullable Long run;

  @Option(
      names = "--cores",
      paramLabel = "N",
      description = "Reckon with so many cores; default: those that it ran on.")
  private @Nullable Integer cores;

  @Option(
      names = "--html",
      paramLabel = "FILE",
      description = "Write one page with timeline, cores, graph and all tables, for any browser.")
  private @Nullable Path html;

  @Override
  public Integer call() throws BadInput, PoolFailure, IOException {
    if (cores != null && cores < 1) {
      throw new BadInput("--cores: write 1 or more");
    }
    OptionalLong wanted = cores == null ? OptionalLong.empty() : OptionalLong.of(cores);
    Trace trace;
    Findings findings;
    try {
      trace =
          new TraceSource(main, at)
              .read(what, run == null ? OptionalLong.empty() : OptionalLong.of(run));
      findings = Findings.of(trace, wanted);
      if (html != null) {
        try (OutputStream page = new BufferedOutputStream(Files.newOutputStream(html))) {
          TracePage.write(trace, wanted, page);
        }
        main.screen().note("wrote " + html + ", " + Amounts.bytes(Files.size(html)));
      }
    } catch (TraceFailure e) {
      throw new BadInput(String.valueOf(e.getMessage()));
    }
    if (shared.json) {
      main.screen().json(findings::write);
    } else {
      main.screen().say(FindingsText.lines(findings));
    }
    return Exit.OK;
  }
}
