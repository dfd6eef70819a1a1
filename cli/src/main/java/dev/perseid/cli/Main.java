package dev.perseid.cli;

import dev.perseid.chain.ChainException;
import dev.perseid.node.PoolFailure;
import dev.perseid.node.PoolStartException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/// `perseid`: the command line.
@Command(
    name = "perseid",
    description = "A market for compute whose every task leaves a signed execution record.",
    synopsisSubcommandLabel = "COMMAND",
    footerHeading = "%nBy the launcher:%n",
    footer = {
      "  test                all tests",
      "  fmt                 format the sources",
      "  examples build      rebuild the examples' modules (--check: only compare)",
      "  sim --seed N        a simulated network",
      "  bench WHAT          throughput, latency, restart, micro, gas, ...: measures this machine",
      "",
      "Exit codes: 0 ok, 1 job failed or receipt wrong, 2 wrong usage or input, 3 pool or chain"
          + " unreachable or something missing here, 4 refused by the pool or a contract, 70 a bug."
    })
public final class Main implements Runnable {
  /// All commands, in the order in which they are shown.
  private static final List<Class<?>> COMMANDS =
      List.of(
          DemoCommand.class,
          UpCommand.class,
          PoolCommand.class,
          ProviderCommand.class,
          RunCommand.class,
          JobsCommand.class,
          WatchCommand.class,
          CancelCommand.class,
          ResultsCommand.class,
          RecordsCommand.class,
          AnalyzeCommand.class,
          QueryCommand.class,
          ReceiptsCommand.class,
          VerifyCommand.class,
          WhyCommand.class,
          ProvidersCommand.class,
          GpusCommand.class,
          AccountCommand.class,
          VoucherCommand.class,
          OperateCommand.class,
          KeyCommand.class,
          ModelCommand.class,
          AskCommand.class,
          GatewayCommand.class,
          ChainCommand.class,
          CourtCommand.class,
          DisputeCommand.class,
          DoctorCommand.class,
          VersionCommand.class,
          RehearseCommand.class);

  private final Screen screen;
  private final Map<String, String> environment;

  @Spec private CommandSpec spec;

  // Not by the standard mixin, whose --version would answer twice what the command answers.
  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      description = "Show this help.")
  @SuppressWarnings("UnusedVariable") // picocli acts on it
  private boolean help;

  Main(Screen screen, Map<String, String> environment, CommandSpec spec) {
    this.screen = screen;
    this.environment = environment;
    this.spec = spec;
  }

  /// Runs the process.
  public static void main(String[] args) {
    Screen screen = Screen.ofProcess();
    int code = run(screen, System.getenv(), args);
    if (screen.out().checkError() && code == Exit.OK) {
      screen.note("perseid: the output could not be written: its disk is full, or its reader gone");
      code = Exit.UNREACHABLE;
    }
    System.exit(code);
  }

  /// Runs one command; returns its exit code.
  static int run(Screen screen, Map<String, String> environment, String... args) {
    CommandLine line = line(new Main(screen, environment, CommandSpec.create()), args);
    line.setCaseInsensitiveEnumValuesAllowed(true);
    line.setUsageHelpAutoWidth(true);
    line.setExecutionExceptionHandler((e, at, parsed) -> failed(screen, e, args));
    line.setParameterExceptionHandler((e, parsed) -> {
      CommandLine at = e.getCommandLine();
      screen.note("perseid: " + e.getMessage());
      if (!CommandLine.UnmatchedArgumentException.printSuggestions(e, lineErr(screen))) {
        screen.note("see: " + at.getCommandSpec().qualifiedName() + " --help");
      }
      return Exit.USAGE;
    });
    line.setOut(new PrintWriter(screen.out(), true, StandardCharsets.UTF_8));
    return line.execute(args);
  }

  /// The command line, of which only the command that is asked for is read, as all of them together
  /// take a quarter of a second; or all, where it is none of them.
  private static CommandLine line(Main main, String[] args) {
    CommandLine line = new CommandLine(main);
    for (Class<?> one : COMMANDS) {
      if (args.length > 0 && name(one).equals(args[0])) {
        return line.addSubcommand(one);
      }
    }
    COMMANDS.forEach(line::addSubcommand);
    return line;
  }

  private static String name(Class<?> command) {
    return Objects.requireNonNull(command.getAnnotation(Command.class)).name();
  }

  private static PrintWriter lineErr(Screen screen) {
    return new PrintWriter(screen.err(), true, StandardCharsets.UTF_8);
  }

  /// One or two lines for people; a stack trace only for those who ask.
  private static int failed(Screen screen, Exception e, String[] args) {
    boolean debug = Arrays.asList(args).contains("--debug");
    if (debug) {
      e.printStackTrace(screen.err());
    }
    return switch (e) {
      case BadInput bad -> {
        screen.note(String.valueOf(bad.getMessage()));
        yield Exit.USAGE;
      }
      case PoolFailure failure -> {
        screen.note("perseid: " + failure.getMessage());
        yield switch (failure.kind()) {
          case UNREACHABLE -> Exit.UNREACHABLE;
          case REFUSED -> Exit.REFUSED;
        };
      }
      case ChainException chain -> {
        screen.note("perseid: " + chain.text());
        yield switch (chain.kind()) {
          case UNREACHABLE, UNTRUSTED -> Exit.UNREACHABLE;
          case WRONG_CHAIN, INPUT -> Exit.USAGE;
          case REVERTED, REFUSED, POOR, DEAR -> Exit.REFUSED;
        };
      }
      case PoolStartException start -> {
        screen.note("perseid: " + start.getMessage());
        yield Exit.UNREACHABLE;
      }
      case IOException io -> {
        // Those of the system say only which file: their names say what is wrong with it.
        String what =
            io.getClass() == IOException.class ? "" : io.getClass().getSimpleName() + ": ";
        screen.note("perseid: " + what + io.getMessage());
        yield Exit.UNREACHABLE;
      }
      case UncheckedIOException io -> {
        screen.note("perseid: " + io.getMessage());
        yield Exit.UNREACHABLE;
      }
      default -> {
        screen.note(
            "perseid: this is a bug: " + e + (debug ? "" : "; --debug shows where it happened"));
        yield Exit.BUG;
      }
    };
  }

  Screen screen() {
    return screen;
  }

  Map<String, String> environment() {
    return environment;
  }

  Home home() {
    return Home.of(environment);
  }

  /// Without a command: what there is.
  @Override
  public void run() {
    spec.commandLine().usage(screen.out());
  }
}
