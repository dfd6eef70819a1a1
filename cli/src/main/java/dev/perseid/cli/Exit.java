package dev.perseid.cli;

/// Exit codes of `perseid`, part of its interface.
final class Exit {
  /// Done.
  static final int OK = 0;

  /// The job failed or was cancelled, a receipt is wrong, or the doctor found something broken.
  static final int FAILED = 1;

  /// Wrong options, or a file that cannot be used as it is.
  static final int USAGE = 2;

  /// The pool or the chain cannot be reached or believed, or this machine lacks something.
  static final int UNREACHABLE = 3;

  /// The pool or a contract answered no, e.g. because the account holds too little.
  static final int REFUSED = 4;

  /// A bug in perseid.
  static final int BUG = 70;

  private Exit() {}
}
