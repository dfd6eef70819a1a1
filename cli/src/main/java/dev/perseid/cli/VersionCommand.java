package dev.perseid.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.ParentCommand;

/// `perseid version`.
@Command(name = "version", description = "Print the version.")
final class VersionCommand implements Callable<Integer> {
  @ParentCommand private Main main = Unset.main();
  @Mixin private Shared shared = new Shared();

  /// Perseid's version; `development` outside a jar.
  static String version() {
    String version = Main.class.getPackage().getImplementationVersion();
    return version == null ? "development" : version;
  }

  @Override
  public Integer call() {
    String java = System.getProperty("java.vm.name") + " " + Runtime.version();
    String os = System.getProperty("os.name") + " " + System.getProperty("os.arch");
    if (shared.json) {
      main.screen()
          .json(json -> {
            json.writeStartObject();
            json.writeStringField("version", version());
            json.writeStringField("java", java);
            json.writeStringField("os", os);
            json.writeEndObject();
          });
    } else {
      main.screen().say("perseid " + version() + " on " + java + ", " + os);
    }
    return Exit.OK;
  }
}
