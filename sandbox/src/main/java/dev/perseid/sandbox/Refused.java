package dev.perseid.sandbox;

/// Why a module is outside of the profile. Never leaves the package: callers get the message as a
/// value.
final class Refused extends Exception {
  private static final long serialVersionUID = 1;

  Refused(String message) {
    super(message);
  }
}
