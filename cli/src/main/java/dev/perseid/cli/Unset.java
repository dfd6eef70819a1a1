package dev.perseid.cli;

import java.util.Map;
import picocli.CommandLine.Model.CommandSpec;

/// What stands in a command's fields until picocli has set them, so that none is ever null.
final class Unset {
  private Unset() {}

  static Main main() {
    return new Main(new Screen(System.out, System.err, false), Map.of(), CommandSpec.create());
  }
}
