//! Maps model names, revisions and files to hub URLs and back, and says which files a task needs.
