package dev.perseid.settle;

import java.nio.file.Path;
import java.util.Map;

/// Where the password of a node's key comes from: always a file that its owner alone may read,
/// never an argument or a variable, which other processes can see.
public sealed interface PasswordSource {
  /// The environment variable that names a password file.
  String VARIABLE = "PERSEID_PASSWORD_FILE";

  /// A file beside the key; made, with a random password, if there is neither.
  record Beside() implements PasswordSource {}

  /// A file that exists already.
  record InFile(Path path) implements PasswordSource {}

  /// The file named by [#VARIABLE] where that is set, else the one beside the key.
  ///
  /// @param environment as of `System.getenv()`
  static PasswordSource of(Map<String, String> environment) {
    String named = environment.get(VARIABLE);
    return named == null || named.isEmpty() ? new Beside() : new InFile(Path.of(named));
  }
}
