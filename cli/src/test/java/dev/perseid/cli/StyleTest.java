package dev.perseid.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// What of STYLE.md a test can hold, over the sources of all modules.
class StyleTest {
  private static final Path ROOT = Path.of("..");
  private static final int LEAST_FILES = 150;

  private record Source(Path path, String text) {
    boolean test() {
      return path.toString().contains("src/test/");
    }

    String name() {
      return path.getFileName().toString().replace(".java", "");
    }
  }

  private static List<Source> sources() throws IOException {
    List<Source> all = new ArrayList<>();
    try (Stream<Path> modules = Files.list(ROOT)) {
      for (Path module : modules.sorted().toList()) {
        if (!Files.isRegularFile(module.resolve("pom.xml"))
            || !Files.isDirectory(module.resolve("src"))) {
          continue;
        }
        try (Stream<Path> files = Files.walk(module.resolve("src"))) {
          for (Path file : files.filter(f -> f.toString().endsWith(".java")).sorted().toList()) {
            all.add(new Source(file, Files.readString(file)));
          }
        }
      }
    }
    // A rule over no files holds always.
    assertThat(all.size()).isGreaterThan(LEAST_FILES);
    return all;
  }

  private static List<String> matches(Source source, String regex) {
    List<String> found = new ArrayList<>();
    Matcher matcher = Pattern.compile(regex, Pattern.MULTILINE).matcher(source.text);
    while (matcher.find()) {
      long line = source.text.substring(0, matcher.start()).lines().count() + 1;
      found.add(source.path + ":" + line + ": " + matcher.group().strip());
    }
    return found;
  }

  @Test
  void namesAreThingsThatCanBeDrawn() throws IOException {
    String empty = "Util|Utils|Manager|Helper|Service|Impl|Common|Misc|Base";
    for (Source source : sources()) {
      assertThat(source.name())
          .as("%s", source.path)
          .doesNotMatch(".*(" + empty + ")(Test)?$")
          .doesNotMatch("^(Abstract|Base|Common|Misc)[A-Z].*");
      assertThat(
              matches(
                  source,
                  "^\\s*(public |private |static |final |sealed |abstract )*"
                      + "(class|interface|record|enum) \\w*("
                      + empty
                      + ")\\b.*"))
          .isEmpty();
    }
  }

  @Test
  void nothingIsLeftToDo() throws IOException {
    String marks = "\\b(TO" + "DO|FIX" + "ME|XX" + "X|HA" + "CK)\\b";
    for (Source source : sources()) {
      assertThat(matches(source, marks)).isEmpty();
    }
  }

  @Test
  void noTestIsSkippedAndNoneSleepsToSynchronise() throws IOException {
    for (Source source : sources()) {
      if (source.test()) {
        assertThat(matches(source, "@Dis" + "abled|Thread\\.sl" + "eep|assum" + "eTrue\\("))
            .isEmpty();
      }
    }
  }

  @Test
  void nullIsOffEverywhere() throws IOException {
    for (Source source : sources()) {
      if (source.test() || source.name().equals("module-info")) {
        continue;
      }
      Path info = source.path.resolveSibling("package-info.java");
      assertThat(info).as("package of %s", source.path).isRegularFile();
      assertThat(Files.readString(info)).as("%s", info).contains("@NullMarked");
    }
  }

  @Test
  void moneyIsNeverFloating() throws IOException {
    for (Source source : sources()) {
      if (!source.test()) {
        assertThat(
                matches(
                    source,
                    "\\b(double|float)\\s+\\w*([cC]redit|[bB]alance|[cC]harge|[pP]rice|[bB]udget)\\w*"))
            .isEmpty();
      }
    }
  }

  @Test
  void nothingTellsWhereItWasMade() throws IOException {
    List<Path> texts = new ArrayList<>();
    for (Path folder : List.of(ROOT, ROOT.resolve("docs"))) {
      try (Stream<Path> files = Files.list(folder)) {
        files
            .filter(Files::isRegularFile)
            .filter(f -> f.toString().matches(".*(\\.md|/perseid|pom\\.xml)"))
            .forEach(texts::add);
      }
    }
    for (Source source : sources()) {
      texts.add(source.path);
    }
    Pattern place = Pattern.compile("(?<![\\w.~$}])/(home|root|Users|work|tmp)/\\w");
    for (Path text : texts) {
      if (!text.endsWith("StyleTest.java")) {
        assertThat(place.matcher(Files.readString(text)).find()).as("%s", text).isFalse();
      }
    }
  }
}
