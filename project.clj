;; What `sparse submit` builds with Leiningen: a jar with the spouts and bolts, in the form that Storm expects.
;; Nothing is downloaded: workers run on Storm's own class path, so there are no dependencies.
;; The package callprint is not in the jar: workers have it installed, with its compiled code (docs/operate/cluster.md).
;; A copy in a new folder with every submit would have to be compiled by Numba each time, for half a minute.
(defproject callprint "0.1.0"
  :dependencies ^:replace []
  :source-paths []
  :resource-paths ["_resources"]
  :target-path "_build"
  :min-lein-version "2.0.0"
  :jar-exclusions [#"^resources/callprint/" #"__pycache__" #"\.pyc$"])
