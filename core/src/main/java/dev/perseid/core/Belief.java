package dev.perseid.core;

/// What is believed of a result to come: so many of its host were found right and wrong when
/// another host ran the same ([Evidence]).
///
/// @param rightMilli results found right, thousandths
/// @param wrongMilli results found wrong, thousandths
public record Belief(long rightMilli, long wrongMilli) {}
