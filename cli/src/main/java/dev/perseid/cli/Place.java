package dev.perseid.cli;

/// Where something stands in a file that a person wrote.
///
/// @param file the file's name as the person gave it
/// @param line from 1
/// @param column from 1
record Place(String file, int line, int column) {
  /// The exception that says what is wrong here.
  ///
  /// @param what what is wrong
  /// @param instead what to write instead
  BadInput wrong(String what, String instead) {
    return new BadInput(this + ": " + what + "; " + instead);
  }

  @Override
  public String toString() {
    return file + ":" + line + ":" + column;
  }
}
