package dev.perseid.cli;

/// A value with the place where it was written.
record Placed<T>(T value, Place place) {
  BadInput wrong(String what, String instead) {
    return place.wrong(what, instead);
  }
}
