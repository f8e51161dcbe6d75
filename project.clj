;; What `sparse submit` builds with Leiningen: a jar with the spouts and bolts, in the form that Storm expects.
;; Workers run on Storm's own class path, so the jar contains no dependencies. To compile our serialiser, Leiningen needs
;; a jar of Storm and Clojure, and downloads them once.
;; The package callprint is not in the jar: workers have it installed, with its compiled code (docs/operate/cluster.md).
;; A copy in a new folder with every submit would have to be compiled by Numba each time, for half a minute.
(defproject callprint "0.1.0"
  :dependencies ^:replace [[org.apache.storm/storm-client "2.8.3" :scope "provided" :exclusions [*]]
                           [org.clojure/clojure "1.11.1" :scope "provided"]]
  :source-paths []
  :java-source-paths ["topologies/java"]
  :javac-options ["--release" "17"]
  :resource-paths ["_resources"]
  :target-path "_build"
  :min-lein-version "2.0.0"
  :uberjar-exclusions [#"^(?!callprint/|resources/|META-INF/)"]
  :jar-exclusions [#"^resources/callprint/" #"__pycache__" #"\.pyc$" #"\.java$"])
