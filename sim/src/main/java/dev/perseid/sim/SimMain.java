package dev.perseid.sim;

import java.io.PrintStream;
import java.util.Locale;
import java.util.Optional;

/// `perseid sim --seed N [--seeds K] [--verbose]`: runs worlds and prints a line for each. `perseid
/// sim workflows | predict DIR`: [WorkflowCommand].
///
/// Exit codes: 0 no rule was broken, 1 one was, 2 the arguments make no sense.
public final class SimMain {
  private static final String USAGE =
      """
      usage: perseid sim [--seed N] [--seeds K] [--verbose]
        --seed N    the first seed, a whole number (default 1)
        --seeds K   how many seeds from there (default 1)
        --verbose   print everything that happens
      The same seed is the same run, bit for bit; a run's trace digest shows it.
      perseid sim workflows DIR: recorded workflows under each scheduling policy\
      """;

  private SimMain() {}

  /// What was asked for.
  ///
  /// @param seed the first seed
  /// @param seeds how many
  private record Request(long seed, long seeds, boolean verbose, Optional<String> problem) {}

  /// Runs the worlds.
  public static void main(String[] args) {
    System.exit(run(args, System.out, System.err));
  }

  static int run(String[] args, PrintStream out, PrintStream err) {
    if (args.length > 0 && WorkflowCommand.names(args[0])) {
      return WorkflowCommand.run(args, out, err);
    }
    Request request = read(args);
    if (request.problem().isPresent()) {
      err.println(request.problem().get());
      err.println(USAGE);
      return 2;
    }
    long startedNs = System.nanoTime();
    long happenings = 0;
    int broken = 0;
    for (long i = 0; i < request.seeds(); i++) {
      try {
        Verdict v =
            Simulation.run(
                request.seed() + i,
                new CheapSeals(),
                Sabotage.NONE,
                request.verbose() ? out : null);
        happenings += v.happenings();
        out.println(v.line());
      } catch (Violation v) {
        broken++;
        out.println(v.getMessage());
        if (request.verbose() && v.getCause() != null) {
          v.getCause().printStackTrace(out);
        }
      }
    }
    if (request.seeds() > 1) {
      double s = (System.nanoTime() - startedNs) / 1e9;
      out.printf(
          Locale.ROOT,
          "%d seeds, %d broken, %.1f seeds/s, %.0f happenings/s%n",
          request.seeds(),
          broken,
          request.seeds() / s,
          happenings / s);
    }
    out.flush();
    return broken == 0 ? 0 : 1;
  }

  private static Request read(String[] args) {
    long seed = 1;
    long seeds = 1;
    boolean verbose = false;
    int i = 0;
    while (i < args.length) {
      String arg = args[i++];
      switch (arg) {
        case "--verbose" -> verbose = true;
        case "--seed", "--seeds" -> {
          String value = i < args.length ? args[i++] : "";
          long number;
          try {
            number = Long.parseLong(value);
          } catch (NumberFormatException e) {
            return wrong(arg + " needs a whole number, not '" + value + "'");
          }
          if (arg.equals("--seed")) {
            seed = number;
          } else if (number < 1) {
            return wrong("--seeds needs a number from 1, not " + number);
          } else {
            seeds = number;
          }
        }
        default -> {
          return wrong("'" + arg + "' means nothing here");
        }
      }
    }
    return new Request(seed, seeds, verbose, Optional.empty());
  }

  private static Request wrong(String problem) {
    return new Request(0, 0, false, Optional.of(problem));
  }
}
