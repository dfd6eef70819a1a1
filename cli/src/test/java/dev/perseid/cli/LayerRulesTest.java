package dev.perseid.cli;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaMethodCall;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.core.importer.Location;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// The floors of the house (ARCHITECTURE.md): arrows point down, the heart is pure.
class LayerRulesTest {
  /// What each module may see of Perseid. A module that is missing here fails the test.
  private static final Map<String, List<String>> MAY_SEE =
      Map.ofEntries(
          Map.entry("core", List.of()),
          Map.entry("engine", List.of("core")),
          Map.entry("journal", List.of("core")),
          Map.entry("wire", List.of("core")),
          Map.entry("sandbox", List.of("core")),
          Map.entry("settle", List.of("core")),
          Map.entry("inference", List.of("core")),
          Map.entry("gateway", List.of("core", "inference")),
          Map.entry("chain", List.of("core", "settle")),
          Map.entry(
              "node",
              List.of(
                  "core", "journal", "wire", "sandbox", "settle", "inference", "gateway", "chain")),
          Map.entry(
              "cli",
              List.of(
                  "core",
                  "engine",
                  "journal",
                  "wire",
                  "sandbox",
                  "settle",
                  "inference",
                  "gateway",
                  "chain",
                  "node")));

  // Floor 4 beside cli (sim, bench) is not on this module's class path: Maven itself keeps them
  // apart, as neither is a dependency of the other.

  private static final JavaClasses ALL =
      new ClassFileImporter()
          .withImportOption(new ImportOption.DoNotIncludeTests())
          .withImportOption(LayerRulesTest::ours)
          .importPackages("dev.perseid");

  private static boolean ours(Location location) {
    return !location.contains("/dev/perseid/wire/v1/"); // generated
  }

  static Stream<Arguments> modules() {
    return MAY_SEE.keySet().stream().sorted().map(Arguments::of);
  }

  @Test
  void theRulesSeeTheWholeHouse() {
    // A rule over no classes holds always; so that the others mean something, count what they see.
    assertThat(ALL.size()).isGreaterThan(250);
    for (String module : MAY_SEE.keySet()) {
      assertThat(ALL.stream().filter(c -> module(c).equals(module)).count())
          .as("classes of %s", module)
          .isGreaterThanOrEqualTo(5);
    }
    assertThat(ALL.stream().map(LayerRulesTest::module).distinct())
        .containsExactlyInAnyOrderElementsOf(MAY_SEE.keySet());
  }

  @ParameterizedTest
  @MethodSource("modules")
  void arrowsPointDown(String module) {
    List<String> seen = MAY_SEE.getOrDefault(module, List.of());
    for (String other : MAY_SEE.keySet()) {
      if (!other.equals(module) && !seen.contains(other)) {
        noClasses()
            .that()
            .resideInAPackage("dev.perseid." + module + "..")
            .should()
            .dependOnClassesThat()
            .resideInAPackage("dev.perseid." + other + "..")
            .check(ALL);
      }
    }
  }

  @Test
  void theHeartNeedsNothingButTheLanguage() {
    classes()
        .that()
        .resideInAPackage("dev.perseid.core..")
        .should()
        .onlyDependOnClassesThat()
        .resideInAnyPackage(
            "dev.perseid.core..",
            "java.lang..",
            "java.util..",
            "java.math..",
            "java.nio",
            "java.nio.charset..",
            "java.io..",
            "java.security..",
            "org.jspecify.annotations..")
        .check(ALL);
  }

  @Test
  void theHeartHasNoClockNoThreadNoChance() {
    noClasses()
        .that()
        .resideInAPackage("dev.perseid.core..")
        .should()
        .callMethod(System.class, "currentTimeMillis")
        .orShould()
        .callMethod(System.class, "nanoTime")
        .orShould()
        .callMethod(System.class, "getenv", String.class)
        .orShould()
        .callMethod(System.class, "getProperty", String.class)
        .orShould()
        .callMethod(Object.class, "hashCode")
        .orShould()
        .callMethod(System.class, "identityHashCode", Object.class)
        .orShould()
        .callMethod(Math.class, "random")
        .orShould()
        .dependOnClassesThat(
            named(
                "clocks, threads, chance, files and logs",
                Pattern.compile(
                    "java\\.time\\..*|java\\.lang\\.Thread.*|java\\.lang\\.Process.*"
                        + "|java\\.util\\.concurrent\\..*|java\\.util\\.(Random|SplittableRandom|UUID|Timer).*"
                        + "|java\\.util\\.random\\..*|java\\.util\\.logging\\..*"
                        + "|java\\.security\\.SecureRandom|java\\.io\\.(File|Console|RandomAccess).*")))
        .check(ALL);
  }

  /// `Set.of` and `Map.of` iterate in a new order in each run; HashSet and HashMap in one that hash
  /// codes decide. They may answer questions, but nothing may walk over them.
  @Test
  void theHeartIteratesInNoHashOrder() {
    List<String> walks =
        List.of(
            "iterator",
            "spliterator",
            "stream",
            "forEach",
            "toArray",
            "keySet",
            "values",
            "entrySet",
            "removeIf",
            "copyOf",
            "of",
            "ofEntries");
    List<String> hashed =
        List.of("java.util.Set", "java.util.Map", "java.util.HashSet", "java.util.HashMap");
    int calls = 0;
    List<String> wrong = new ArrayList<>();
    for (JavaClass one : ALL) {
      if (!module(one).equals("core")) {
        continue;
      }
      for (JavaMethodCall call : one.getMethodCallsFromSelf()) {
        calls++;
        String owner = call.getTargetOwner().getName();
        if (hashed.contains(owner)
            && walks.contains(call.getTarget().getName())
            && !overOrderedMap(one, call)) {
          wrong.add(call.getDescription());
        }
      }
    }
    assertThat(calls).isGreaterThan(500);
    assertThat(wrong).as("what walks in hash order").isEmpty();
  }

  /// Whether a walk over a `Set` is one over the keys or entries of a map that has an order, taken
  /// in the same line.
  private static boolean overOrderedMap(JavaClass one, JavaMethodCall walk) {
    List<String> ordered =
        List.of(
            "java.util.TreeMap",
            "java.util.SortedMap",
            "java.util.NavigableMap",
            "java.util.LinkedHashMap");
    return walk.getTargetOwner().getName().equals("java.util.Set")
        && one.getMethodCallsFromSelf().stream()
            .filter(call -> call.getOrigin().equals(walk.getOrigin()))
            .filter(call -> call.getLineNumber() == walk.getLineNumber())
            .anyMatch(call ->
                ordered.contains(call.getTargetOwner().getName())
                    && List.of("keySet", "entrySet").contains(call.getTarget().getName()));
  }

  private static DescribedPredicate<JavaClass> named(String what, Pattern names) {
    return DescribedPredicate.describe(what, c -> names.matcher(c.getName()).matches());
  }

  private static String module(JavaClass c) {
    String[] parts = c.getPackageName().split("\\.");
    return parts.length > 2 ? parts[2] : "";
  }
}
