package dev.perseid.core;

import java.util.List;

/// The answer to "why?".
///
/// @param sentence one plain sentence
/// @param wouldHelp what would help, most useful first; empty where nothing is wrong
public record Answer(String sentence, List<String> wouldHelp) {}
