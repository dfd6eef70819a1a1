package dev.perseid.bench;

import java.nio.file.Path;

final class Micro {
  Micro(Printout report) {}

  void run(Path folder, Path home) {}
}
