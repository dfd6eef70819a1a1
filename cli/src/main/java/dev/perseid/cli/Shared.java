package dev.perseid.cli;

import picocli.CommandLine.Option;

/// Options of every command.
final class Shared {
  @Option(names = "--json", description = "Print JSON.")
  boolean json;

  @Option(names = "--debug", description = "Show stack traces.")
  boolean debug;

  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      description = "Show this help.")
  boolean help;
}
