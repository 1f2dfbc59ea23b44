mod meeting;
