;; What `sparse submit` builds with Leiningen: a jar with the spouts and bolts, as Storm wants it.
;; Nothing is downloaded: the workers run on Storm's own class path, so there are no dependencies.
;; The package callprint is not in the jar: workers have it installed, compiled code and all (docs/operate/cluster.md). A
;; copy under a new path with every submit would be compiled by Numba anew each time, for half a minute.
(defproject callprint "0.1.0"
  :dependencies ^:replace []
  :source-paths []
  :resource-paths ["_resources"]
  :target-path "_build"
  :min-lein-version "2.0.0"
  :jar-exclusions [#"^resources/callprint/" #"__pycache__" #"\.pyc$"])
