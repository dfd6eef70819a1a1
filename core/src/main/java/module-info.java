/// The words and the rules. Needs nothing but java.base, so that nothing in it can reach a socket,
/// a database or a logger.
module dev.perseid.core {
  requires static org.jspecify;

  exports dev.perseid.core;
  exports dev.perseid.core.schedule;
}
