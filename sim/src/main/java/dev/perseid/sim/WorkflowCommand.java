package dev.perseid.sim;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/// `perseid sim workflows DIR`, `perseid sim predict DIR` and `perseid sim energy DIR`.
final class WorkflowCommand {
  static final String USAGE =
      """
      usage: perseid sim workflows DIR [--seeds K] [--mb-per-second N]
             perseid sim predict DIR
             perseid sim energy DIR [--mb-per-second N]
        DIR                 a folder with recorded workflows in WfFormat 1.5 (*.json)
        --seeds K           wrong estimates drawn K times, from seed 1 (default 3)
        --mb-per-second N   what one machine made reaches another at this rate (default: at once)\
      """;

  private static final double MEGABYTE = 1e6;
  private static final int SEEDS_AT_MOST = 1_000;

  private WorkflowCommand() {}

  static boolean names(String word) {
    return word.equals("workflows") || word.equals("predict") || word.equals("energy");
  }

  static int run(String[] args, PrintStream out, PrintStream err) {
    int seeds = 3;
    double bytesPerSecond = Double.POSITIVE_INFINITY;
    if (args.length < 2 || args.length % 2 != 0) {
      return wrong("which folder?", err);
    }
    for (int i = 2; i < args.length; i += 2) {
      try {
        switch (args[i]) {
          case "--seeds" -> seeds = Integer.parseInt(args[i + 1]);
          case "--mb-per-second" -> bytesPerSecond = MEGABYTE * Double.parseDouble(args[i + 1]);
          default -> {
            return wrong("'" + args[i] + "' means nothing here", err);
          }
        }
      } catch (NumberFormatException e) {
        return wrong(args[i] + " needs a number, not '" + args[i + 1] + "'", err);
      }
    }
    if (seeds < 1 || seeds > SEEDS_AT_MOST || !(bytesPerSecond > 0)) {
      return wrong(
          "--seeds goes from 1 to " + SEEDS_AT_MOST + ", --mb-per-second is more than 0", err);
    }
    List<RecordedWorkflow> workflows = new ArrayList<>();
    try (Stream<Path> files = Files.list(Path.of(args[1]))) {
      for (Path file : files.filter(f -> f.toString().endsWith(".json")).sorted().toList()) {
        try {
          workflows.add(RecordedWorkflow.read(file));
        } catch (RecordedWorkflow.Unreadable e) {
          err.println("left out: " + e.getMessage());
        }
      }
    } catch (IOException e) {
      return wrong("cannot read " + args[1] + ": " + e, err);
    }
    if (workflows.isEmpty()) {
      return wrong("no WfFormat 1.5 file in " + args[1], err);
    }
    WorkflowBench bench = new WorkflowBench(workflows, bytesPerSecond, seeds, out);
    switch (args[0]) {
      case "energy" -> bench.thrift();
      case "predict" -> bench.predict();
      default -> {
        bench.play();
        bench.predict();
      }
    }
    out.flush();
    return 0;
  }

  private static int wrong(String problem, PrintStream err) {
    err.println(problem);
    err.println(USAGE);
    return 2;
  }
}
